"""A street that runs across the view, seen from the pavement opposite."""

import math
from dataclasses import dataclass

from ssa_export.scenes import ground
from ssa_export.scenes.geometry import Frame
from ssa_export.scenes.objects import furniture, plants, two_wheelers
from ssa_export.scenes.objects.buildings import building, fence, wall
from ssa_export.scenes.objects.cars import car
from ssa_export.scenes.objects.coaches import bus, tram
from ssa_export.scenes.objects.people import person
from ssa_export.scenes.objects.trucks import truck
from ssa_export.scenes.stage import Stage
from ssa_export.scenes.streets.queue import Draw, PaintQueue, Slots

_NEAREST_LARGE_M = 10.0


@dataclass(frozen=True)
class _Street:
    """Distances from the camera in metres: where each strip of ground ends."""

    near_kerb: float
    far_kerb: float
    pavement: float
    frontage: float
    half_view: float
    """Half of what the picture shows, per metre of distance."""

    @property
    def lanes_z(self) -> tuple[float, float]:
        width = self.far_kerb - self.near_kerb
        return self.near_kerb + 0.2 * width, self.near_kerb + 0.68 * width


def draw_street_across(stage: Stage) -> None:
    """Ground, the frontage opposite, then everything that stands on the ground."""
    dice, camera = stage.dice, stage.camera
    near_kerb = dice.between(4.0, 7.5) if dice.chance(0.75) else 0.0
    far_kerb = max(near_kerb, 5.5) + dice.between(6.5, 9.0)
    pavement = far_kerb + dice.between(2.0, 4.0)
    frontage = pavement + (dice.between(2.0, 8.0) if dice.chance(0.5) else 0.0)
    half_view = max(camera.centre_x, camera.size_hw[1] - camera.centre_x) / camera.focal_px
    street = _Street(max(near_kerb, 5.5), far_kerb, pavement, frontage, half_view)

    ground.terrain(stage, -300.0, 300.0, pavement, 400.0)
    ground.sidewalk(stage, -60.0, 60.0, far_kerb, pavement)
    pen = ground.road(stage, -60.0, 60.0, 0.0, far_kerb)
    ground.lane_lines_across(stage, pen, (street.near_kerb + far_kerb) / 2)
    tram_runs = dice.chance(0.22)
    if tram_runs:
        z = street.lanes_z[1]
        ground.rails(stage, pen, [(-60.0, 60.0, z + d, z + d + 0.12) for d in (0.5, 2.0)])
    if near_kerb > 0:
        if dice.chance(0.75):
            ground.sidewalk(stage, -60.0, 60.0, 0.0, near_kerb)
        else:
            ground.terrain(stage, -60.0, 60.0, 0.0, near_kerb)
    _backdrop(stage, street)
    _frontage(stage, street)
    queue = PaintQueue()
    _far_pavement(stage, queue, street)
    _traffic(stage, queue, street, tram_runs)
    if near_kerb > 0:
        _near_pavement(stage, queue, street)
    queue.paint(stage)


def _backdrop(stage: Stage, street: _Street) -> None:
    """What is seen over walls and through gaps."""
    dice = stage.dice
    for z in (90.0, 60.0):
        x = -z * street.half_view
        while x < z * street.half_view:
            length = dice.between(12.0, 25.0)
            kind = dice.weighted({"building": 0.45, "trees": 0.3, "nothing": 0.25})
            frame = Frame(stage.camera, x, z)
            if kind == "building":
                building(stage, frame, length, dice.between(6.0, 18.0), -9.0)
            elif kind == "trees":
                plants.hedge(stage, frame, length, dice.between(5.0, 9.0))
            x += length


def _frontage(stage: Stage, street: _Street) -> None:
    dice, camera, z = stage.dice, stage.camera, street.frontage
    x = -z * street.half_view - dice.between(1.0, 8.0)
    kinds = {"building": 0.36, "wall": 0.2, "fence": 0.22, "hedge": 0.1, "open": 0.14}
    while x < z * street.half_view:
        kind, length = dice.weighted(kinds), dice.between(6.0, 13.0)
        frame = Frame(camera, x, z)
        if kind == "building":
            height = dice.between(4.0, 7.5) if dice.chance(0.6) else dice.between(8.0, 15.0)
            building(stage, frame, length - dice.between(0.0, 0.6), height, -8.0)
        else:
            for _ in range(dice.whole(0, 2)):
                at = Frame(camera, x + dice.between(0.1, 0.9) * length, z + dice.between(1.5, 6.0))
                plants.tree(stage, at)
            if kind == "wall":
                wall(stage, frame, length)
            elif kind == "fence":
                fence(stage, frame, length)
            elif kind == "hedge":
                plants.hedge(stage, frame, length, dice.between(0.9, 2.2))
        x += length


def _spot(stage: Stage, street: _Street, z: float) -> Frame:
    reach = 0.92 * z * street.half_view
    return Frame(stage.camera, stage.dice.between(-reach, reach), z)


def _far_pavement(stage: Stage, queue: PaintQueue, street: _Street) -> None:
    dice = stage.dice

    def anywhere() -> Frame:
        return _spot(stage, street, dice.between(street.far_kerb + 0.4, street.pavement - 0.3))

    for _ in range(dice.whole(1, 6)):
        queue.add(person, anywhere())
    things: tuple[Draw, ...] = (
        furniture.street_lamp,
        furniture.utility_pole,
        furniture.traffic_light,
        furniture.traffic_sign,
        furniture.traffic_sign,
        furniture.direction_board,
        plants.tree,
        plants.bush,
        two_wheelers.bicycle,
        two_wheelers.motorcycle,
    )
    for _ in range(dice.whole(4, 9)):
        queue.add(dice.pick(things), anywhere())


def _traffic(stage: Stage, queue: PaintQueue, street: _Street, tram_runs: bool) -> None:
    dice, camera = stage.dice, stage.camera
    drawing: dict[str, tuple[Draw, float, float]] = {
        "car": (car, 4.9, 1.8),
        "truck": (truck, 9.8, 2.45),
        "bus": (bus, 12.0, 2.5),
        "cyclist": (two_wheelers.cyclist, 1.8, 0.3),
        "motorcyclist": (two_wheelers.motorcyclist, 2.1, 0.4),
        "tram": (tram, 22.0, 2.5),
    }
    weights = {"car": 0.5, "truck": 0.13, "bus": 0.11, "cyclist": 0.2, "motorcyclist": 0.16}
    for lane_index, lane_z in enumerate(street.lanes_z):
        slots = Slots()
        rightwards = lane_index == 0
        kinds = [dice.weighted(weights) for _ in range(dice.whole(0, 3))]
        if lane_index == 1 and tram_runs:
            kinds.insert(0, "tram")
        reach = lane_z * street.half_view
        for kind in kinds:
            draw, length, width = drawing[kind]
            x = dice.between(-reach - 0.4 * length, reach - 0.6 * length)
            if not slots.take(x - 0.8, x + length + 0.8):
                continue
            # Large vehicles close by would hide everything else.
            z = lane_z if length < 5.0 else max(lane_z, _NEAREST_LARGE_M)
            if rightwards:
                # Heading right, w runs towards the camera.
                queue.add(draw, Frame(camera, x, z + width, math.pi / 2), nearest_z=z)
            else:
                frame = Frame(camera, x + length, z, -math.pi / 2)
                queue.add(draw, frame, nearest_z=z)


def _near_pavement(stage: Stage, queue: PaintQueue, street: _Street) -> None:
    dice = stage.dice

    def anywhere() -> Frame:
        return _spot(stage, street, dice.between(3.2, max(street.near_kerb, 3.6)))

    for _ in range(dice.whole(0, 3)):
        queue.add(person, anywhere())
    things: tuple[Draw, ...] = (
        furniture.bollard,
        furniture.traffic_sign,
        furniture.traffic_light,
        furniture.utility_pole,
        two_wheelers.bicycle,
        two_wheelers.motorcycle,
        plants.bush,
    )
    for _ in range(dice.whole(0, 2)):
        queue.add(dice.pick(things), anywhere())
