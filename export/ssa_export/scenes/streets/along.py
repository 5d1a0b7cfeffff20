"""A street that leads away from the camera."""

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

_VEHICLES: dict[str, tuple[Draw, float, float]] = {
    # draw, length at most, width: metres
    "car": (car, 4.9, 1.8),
    "truck": (truck, 9.8, 2.45),
    "bus": (bus, 12.0, 2.5),
    "tram": (tram, 22.0, 2.5),
}


@dataclass(frozen=True)
class _Side:
    """One side of the street: -1 left, 1 right; distances from the camera's line in metres."""

    sign: int
    kerb: float
    verge: float
    frontage: float

    def x(self, distance: float) -> float:
        return self.sign * distance


def draw_street_along(stage: Stage) -> None:
    """Ground, both frontages, then everything that stands on the ground."""
    dice = stage.dice
    lane = dice.between(3.0, 3.6)
    two_more = dice.chance(0.25)
    # The camera drives in the right-hand lane, or stands on the right-hand pavement.
    shift = 0.0 if dice.chance(0.8) else -lane
    sides = []
    for sign in (-1, 1):
        parking = 2.2 if dice.chance(0.6) else 0.0
        lanes = lane * (1.5 if sign < 0 else 0.5) + (lane if two_more and sign < 0 else 0.0)
        kerb = lanes + parking + shift * sign
        pavement = dice.between(1.8, 4.5) if dice.chance(0.88) else 0.0
        verge = dice.between(1.5, 7.0) if dice.chance(0.5) else 0.0
        sides.append(_Side(sign, kerb, kerb + pavement, kerb + pavement + verge))
    left, right = sides

    tram_runs = dice.chance(0.3)
    _ground(stage, left, right, lane, shift, tram_runs)
    _horizon(stage)
    for side in sides:
        _frontage(stage, side)
    queue = PaintQueue()
    for side in sides:
        _pavement_objects(stage, queue, side)
        _parked(stage, queue, side, lane, shift)
    _traffic(stage, queue, lane, shift, tram_runs)
    queue.paint(stage)


def _ground(
    stage: Stage, left: _Side, right: _Side, lane: float, shift: float, tram_runs: bool
) -> None:
    ground.terrain(stage, -200.0, 200.0, 0.0, 400.0)
    for side in (left, right):
        x0, x1 = sorted((side.x(side.kerb), side.x(side.verge)))
        if x1 - x0 > 0.5:
            ground.sidewalk(stage, x0, x1, 0.0, 400.0)
    pen = ground.road(stage, -left.kerb, right.kerb, 0.0, 400.0)
    middle = shift - lane / 2
    ground.lane_lines(stage, pen, [middle], [-left.kerb + 0.35, right.kerb - 0.35])
    if tram_runs:
        xs = (middle - lane / 2 - 0.75, middle - lane / 2 + 0.75)
        ground.rails(stage, pen, [(x - 0.05, x + 0.05, 0.0, 300.0) for x in xs])
    if stage.dice.chance(0.3):
        ground.crossing(stage, pen, -left.kerb, right.kerb, stage.dice.between(7.0, 18.0))


def _horizon(stage: Stage) -> None:
    """What closes the view at the end of the street."""
    dice = stage.dice
    if dice.chance(0.6):
        x = -90.0
        while x < 90.0:
            length = dice.between(14.0, 30.0)
            if dice.chance(0.6):
                frame = Frame(stage.camera, x, 150.0)
                building(stage, frame, length, dice.between(10.0, 34.0), -10.0)
            x += length
    for z in (130.0, 110.0):
        if dice.chance(0.6):
            x, length = dice.between(-120.0, 0.0), dice.between(60.0, 140.0)
            plants.hedge(stage, Frame(stage.camera, x, z), length, dice.between(5.0, 11.0))


def _frontage(stage: Stage, side: _Side) -> None:
    """Buildings, walls, fences and greenery along one side, the farthest first."""
    dice = stage.dice
    camera = stage.camera
    kinds = {"building": 0.42, "wall": 0.19, "fence": 0.19, "hedge": 0.1, "open": 0.1}
    segments = []
    # Where the frontage leaves the picture at the side, or a little before.
    z = max(1.2, 0.6 * side.frontage * camera.focal_px / camera.size_hw[1])
    while z < 105.0:
        kind = dice.weighted(kinds)
        length = dice.between(9.0, 20.0) if kind != "open" else dice.between(6.0, 14.0)
        segments.append((kind, z, length + 0.25 * z * dice.between(0.0, 1.0)))
        z += segments[-1][2]
    for kind, z, length in reversed(segments):
        # Along +z; the right-hand side's buildings extend to the right of that heading.
        frame = Frame(camera, side.x(side.frontage), z, heading=0.0)
        if kind == "building":
            height = dice.between(5.0, 8.0) if dice.chance(0.35) else dice.between(8.0, 20.0)
            gap = dice.between(0.0, 1.5)
            building(stage, frame, length - gap, height, side.sign * dice.between(7.0, 11.0))
            continue
        for _ in range(dice.whole(0, 2)):
            x = side.x(side.frontage + dice.between(3.0, 9.0))
            plants.tree(stage, Frame(camera, x, z + dice.between(0.3, 1.0) * length))
        if kind == "wall":
            wall(stage, frame, length)
        elif kind == "fence":
            fence(stage, frame, length)
        elif kind == "hedge":
            # Blobs along the view would be slivers: stand them across it instead.
            for share in (0.8, 0.45, 0.1):
                start = side.frontage if side.sign > 0 else -side.frontage - 6.0
                at = Frame(camera, start, z + share * length)
                plants.hedge(stage, at, 5.0, dice.between(1.2, 3.0))


def _pavement_objects(stage: Stage, queue: PaintQueue, side: _Side) -> None:
    dice, camera = stage.dice, stage.camera
    width = side.frontage - side.kerb
    if width < 0.8:
        return

    def spot(share: float, nearest: float, farthest: float) -> Frame:
        """Somewhere on the pavement; near and far are equally likely in the picture."""
        z = nearest * (farthest / nearest) ** dice.between(0.0, 1.0)
        x = side.x(side.kerb + 0.3 + share * max(width - 0.6, 0.0))
        return Frame(camera, x, z, math.pi / 2)

    for _ in range(dice.whole(0, 4)):
        queue.add(person, spot(dice.between(0.1, 0.9), 4.5, 40.0))
    street: tuple[Draw, ...] = (
        furniture.street_lamp,
        furniture.utility_pole,
        furniture.traffic_light,
        furniture.traffic_light,
        furniture.traffic_sign,
        furniture.traffic_sign,
        furniture.bollard,
    )
    for _ in range(dice.whole(1, 4)):
        queue.add(dice.pick(street), spot(dice.between(0.0, 0.15), 5.5, 35.0))
    if dice.chance(0.15):
        queue.add(furniture.direction_board, spot(0.4, 9.0, 25.0))
    for _ in range(dice.whole(0, 2)):
        queue.add(plants.tree, spot(dice.between(0.5, 0.95), 8.0, 60.0))
    if dice.chance(0.35):
        queue.add(plants.bush, spot(dice.between(0.7, 1.0), 6.0, 30.0))
    for draw, probability in ((two_wheelers.bicycle, 0.32), (two_wheelers.motorcycle, 0.22)):
        if dice.chance(probability):
            place = spot(dice.between(0.1, 0.5), 5.0, 16.0)
            queue.add(draw, Frame(camera, place.x, place.z, dice.between(0.7, 2.2)))


def _parked(stage: Stage, queue: PaintQueue, side: _Side, lane: float, shift: float) -> None:
    """A row of parked cars, where there is room for one."""
    dice = stage.dice
    lanes = side.kerb - shift * side.sign - lane * (1.5 if side.sign < 0 else 0.5)
    if not 1.9 < lanes < 2.5:
        return
    z = dice.between(4.0, 14.0)
    for _ in range(dice.whole(1, 5)):
        _add_vehicle(stage, queue, "car", side.x(side.kerb - 1.1), z, away=side.sign > 0)
        z += dice.between(5.6, 14.0)


def _add_vehicle(
    stage: Stage, queue: PaintQueue, kind: str, x: float, z: float, *, away: bool
) -> None:
    """Centred on `x`, its nearest end at `z`, driving away from the camera or towards it."""
    draw, length, width = _VEHICLES[kind]
    camera, turn = stage.camera, stage.dice.between(-0.06, 0.06)
    if away:
        frame = Frame(camera, x - width / 2, z, turn)
    else:
        # An oncoming vehicle's own left is the camera's right; its front is `length` nearer.
        frame = Frame(camera, x + width / 2, z + length, math.pi + turn)
    queue.add(draw, frame, nearest_z=z)


def _traffic(stage: Stage, queue: PaintQueue, lane: float, shift: float, tram_runs: bool) -> None:
    dice = stage.dice
    own, oncoming = shift, shift - lane
    lanes = {True: Slots(), False: Slots()}
    if tram_runs:
        z = 6.0 * 7.0 ** dice.between(0.0, 1.0)
        lanes[False].take(z - 2.0, z + 24.0)
        _add_vehicle(stage, queue, "tram", oncoming, z, away=False)
    weights = {"car": 0.4, "truck": 0.15, "bus": 0.14, "cyclist": 0.18, "motorcyclist": 0.15}
    for _ in range(dice.whole(2, 7)):
        away = dice.chance(0.5)
        kind = dice.weighted(weights)
        z = 5.0 * 12.0 ** dice.between(0.0, 1.0)
        x = own if away else oncoming
        if kind in _VEHICLES:
            if lanes[away].take(z - 2.5, z + _VEHICLES[kind][1] + 1.5):
                # Large vehicles right in front of the camera would hide everything else.
                far_enough = z if kind == "car" else max(z, 9.0)
                _add_vehicle(stage, queue, kind, x, far_enough, away=away)
        elif lanes[away].take(z - 1.5, z + 2.5):
            draw = two_wheelers.cyclist if kind == "cyclist" else two_wheelers.motorcyclist
            heading = dice.between(0.6, 1.2) if away else dice.between(-1.2, -0.6)
            side = x + (1.1 if away else -1.1) * dice.between(0.0, 1.0)
            queue.add(draw, Frame(stage.camera, side, min(max(z, 4.5), 30.0), heading))
    if dice.chance(0.25):
        z = dice.between(6.0, 18.0)
        frame = Frame(stage.camera, dice.between(oncoming - 1.0, own + 1.0), z)
        if lanes[True].take(z - 1, z + 1) and lanes[False].take(z - 1, z + 1):
            queue.add(person, frame)
