"""Buildings, and the walls and fences between them."""

import math
from dataclasses import dataclass

from ssa_export.scenes import classes
from ssa_export.scenes.canvas import Pen, Texture
from ssa_export.scenes.dice import RGB
from ssa_export.scenes.geometry import Frame, Polygon
from ssa_export.scenes.stage import Stage
from ssa_export.scenes.textures import bricks, stripes, times

_PLASTERS: tuple[RGB, ...] = (
    (0.80, 0.76, 0.66),
    (0.72, 0.66, 0.58),
    (0.82, 0.70, 0.48),
    (0.66, 0.68, 0.70),
    (0.78, 0.58, 0.48),
    (0.58, 0.62, 0.60),
)
_BRICKS: tuple[RGB, ...] = ((0.55, 0.29, 0.22), (0.62, 0.40, 0.28), (0.48, 0.32, 0.28))
_ROOFS: tuple[RGB, ...] = ((0.50, 0.24, 0.18), (0.30, 0.30, 0.33), (0.38, 0.28, 0.22))
_PANES: tuple[RGB, ...] = ((0.16, 0.20, 0.26), (0.25, 0.33, 0.42), (0.12, 0.14, 0.17))
_SHOPS: tuple[RGB, ...] = ((0.65, 0.15, 0.15), (0.12, 0.40, 0.32), (0.15, 0.22, 0.48))
_STONES: tuple[RGB, ...] = ((0.56, 0.54, 0.50), (0.62, 0.60, 0.58), (0.46, 0.42, 0.38))
_WOODS: tuple[RGB, ...] = ((0.45, 0.31, 0.19), (0.60, 0.46, 0.30), (0.70, 0.68, 0.62))


@dataclass(frozen=True)
class _Facade:
    """The looks that all faces of one building share."""

    pen: Pen
    plaster: RGB
    brick: bool
    trim: RGB
    pane: RGB
    storey: float
    bay: float


def building(stage: Stage, frame: Frame, length: float, height: float, depth: float) -> None:
    """A building with its front along u; it extends `depth` metres away from the street.

    `depth` is signed: the end walls run towards +w or -w.
    """
    dice = stage.dice
    brick = dice.chance(0.4)
    plaster = dice.tint(_BRICKS if brick else _PLASTERS, 0.04)
    facade = _Facade(
        pen=stage.pen(classes.BUILDING, max(frame.z, 2.0)),
        plaster=plaster,
        brick=brick,
        trim=dice.tint(((0.85, 0.83, 0.78), (0.50, 0.47, 0.43)), 0.03),
        pane=dice.tint(_PANES, 0.03),
        storey=dice.between(2.9, 3.6),
        bay=dice.between(2.2, 3.4),
    )
    roofed = height < 9.5 and dice.chance(0.7)
    ends = [u for u in (0.0, length) if _end_is_visible(frame, u, length)]
    for u in ends:
        side = Frame(frame.camera, frame.at(u).x, frame.at(u).z, frame.heading + math.pi / 2)
        far = side if depth > 0 else side.at(depth)
        _face(stage, facade, far, abs(depth), height, windows=height > 6)
    if roofed:
        _roof(stage, facade, frame, length, height, depth)
    _face(stage, facade, frame, length, height, windows=True)
    _shopfront_or_door(stage, facade, frame, length)
    if not roofed:
        cornice = frame.rect(-0.15, height - 0.45, length + 0.15, height + 0.1)
        facade.pen.fill([cornice], facade.trim, level=stage.level(frame) * 0.9)


def _end_is_visible(frame: Frame, u: float, length: float) -> bool:
    fx, fz = frame.forward_xz
    camera_u = -(fx * frame.x + fz * frame.z)
    return camera_u < 0.0 if u == 0.0 else camera_u > length


def _face(
    stage: Stage, facade: _Facade, frame: Frame, length: float, height: float, *, windows: bool
) -> None:
    level = stage.level(frame)
    texture: Texture = stage.noise.mottled((1, 0.05), (10, 0.06), (40, 0.08))
    if facade.brick:
        texture = times(texture, bricks(frame, 0.30))
    pen = facade.pen
    pen.fill([frame.rect(0.0, 0.0, length, height)], facade.plaster, texture=texture, level=level)
    pen.fill([frame.rect(0.0, 0.0, length, 0.5)], facade.trim, level=level * 0.6)
    if not windows:
        return
    storeys = int((height - 0.6) / facade.storey)
    bays = max(1, min(14, int(length / facade.bay)))
    step = length / bays
    sills: list[Polygon] = []
    panes: list[Polygon] = []
    bars: list[Polygon] = []
    half = step * 0.25
    for row in range(storeys):
        v0 = row * facade.storey + 1.0
        v1 = v0 + facade.storey * 0.55
        for bay in range(bays):
            u = (bay + 0.5) * step
            sills.append(frame.rect(u - half - 0.12, v0 - 0.15, u + half + 0.12, v1 + 0.1))
            panes.append(frame.rect(u - half, v0, u + half, v1))
            bars.append(frame.rect(u - 0.04, v0, u + 0.04, v1))
    if not panes:
        return
    pen.fill(sills, facade.trim, level=level)
    pen.fill(panes, facade.pane, level=0.6 + 0.4 * level, texture=stage.noise.mottled((10, 0.35)))
    pen.fill(bars, facade.trim, level=level * 0.9)


def _shopfront_or_door(stage: Stage, facade: _Facade, frame: Frame, length: float) -> None:
    dice, pen, level = stage.dice, facade.pen, stage.level(frame)
    if length > 5 and dice.chance(0.35):
        awning = dice.tint(_SHOPS)
        pen.fill([frame.rect(0.4, 0.4, length - 0.4, 2.3)], facade.pane, level=level)
        posts = [frame.rect(u, 0.4, u + 0.15, 2.3) for u in (length * 0.3, length * 0.65)]
        pen.fill(posts, facade.trim, level=level)
        pen.fill([frame.rect(0.2, 2.3, length - 0.2, 3.0)], awning, level=level)
        sign = frame.rect(length * 0.3, 2.5, length * 0.7, 2.8)
        pen.fill([sign], (0.92, 0.90, 0.82), level=level)
        return
    u = length * dice.between(0.25, 0.7)
    pen.fill([frame.rect(u - 0.15, 0.0, u + 1.25, 2.5)], facade.trim, level=level)
    pen.fill([frame.rect(u, 0.0, u + 1.1, 2.35)], dice.tint(_SHOPS), level=level * 0.8)


def _roof(
    stage: Stage, facade: _Facade, frame: Frame, length: float, height: float, depth: float
) -> None:
    """A ridge roof whose ridge runs along the street."""
    rise = min(3.0, abs(depth) * 0.4)
    tiles = stage.dice.tint(_ROOFS, 0.04)
    texture = stage.noise.mottled((1, 0.08), (3, 0.15))
    for u in (0.0, length):
        gable = [frame.point(u, height, 0.0), frame.point(u, height + rise, depth / 2)]
        gable.append(frame.point(u, height, depth))
        facade.pen.fill([gable], facade.plaster, level=0.75)
    slope = [frame.point(-0.3, height - 0.1), frame.point(length + 0.3, height - 0.1)]
    slope.append(frame.point(length + 0.3, height + rise, depth / 2))
    slope.append(frame.point(-0.3, height + rise, depth / 2))
    facade.pen.fill([slope], tiles, texture=texture, level=0.5 + 0.5 * stage.level(frame))


def wall(stage: Stage, frame: Frame, length: float) -> None:
    """A free-standing wall along u, of brick, stone or concrete panels, with a coping."""
    dice = stage.dice
    height = dice.between(1.8, 3.4)
    pen, level = stage.pen(classes.WALL, max(frame.z, 2.0)), stage.level(frame)
    mottle = stage.noise.mottled((1, 0.08), (10, 0.12), (40, 0.12))
    if dice.chance(0.5):
        colour, pattern = dice.tint(_STONES, 0.04), bricks(frame, 0.35, 0.5)
    elif dice.chance(0.5):
        colour, pattern = dice.tint(_BRICKS, 0.04), bricks(frame, 0.35)
    else:
        colour, pattern = dice.tint(_STONES, 0.04), stripes(frame, 2.5, 0.35, upright=True)
    body = frame.rect(0.0, 0.0, length, height)
    pen.fill([body], colour, texture=times(mottle, pattern), level=level)
    pen.fill(
        [frame.rect(0.0, height - 0.02, length, height + 0.18)], (0.75, 0.73, 0.70), level=level
    )
    pen.fill([frame.rect(0.0, 0.0, length, 0.2)], (0.25, 0.24, 0.22), opacity=0.6)


def fence(stage: Stage, frame: Frame, length: float) -> None:
    """A fence along u: planks, or railings that the background shows through.

    As in Cityscapes, what is seen between the bars counts as fence.
    """
    dice = stage.dice
    height = dice.between(1.3, 2.4)
    pen, level = stage.pen(classes.FENCE, max(frame.z, 2.0)), stage.level(frame)
    outline = frame.rect(0.0, 0.0, length, height)
    period = max(dice.between(0.28, 0.5), length / 60)
    starts = [k * period for k in range(int(length / period))]
    if dice.chance(0.5):
        wood = dice.tint(_WOODS, 0.04)
        dark = (wood[0] * 0.35, wood[1] * 0.35, wood[2] * 0.35)
        pen.fill([outline], dark, level=level)
        planks = [frame.rect(u, 0.05, u + 0.75 * period, height) for u in starts]
        mottle = stage.noise.mottled((3, 0.15), (10, 0.1))
        pen.fill(planks, wood, level=level, texture=mottle)
        rails = [
            frame.rect(0.0, height * share, length, height * share + 0.1) for share in (0.2, 0.75)
        ]
        pen.fill(rails, wood, level=level * 0.75)
        return
    metal = dice.tint(((0.18, 0.20, 0.20), (0.12, 0.28, 0.20), (0.75, 0.76, 0.78)), 0.03)
    pen.fill([outline], (0.45, 0.47, 0.48), opacity=0.45, level=level)
    bars = [frame.rect(u, 0.0, u + 0.28 * period, height) for u in starts]
    bars += [frame.rect(0.0, height * v, length, height * v + 0.09) for v in (0.1, 0.93)]
    posts = [frame.rect(u, 0.0, u + 0.12, height + 0.1) for u in starts[::8]]
    pen.fill(bars + posts, metal, level=level)
