"""Trees, bushes and hedges, all class vegetation; trunks too, as Cityscapes has them."""

import math

from ssa_export.scenes import classes
from ssa_export.scenes.canvas import Pen
from ssa_export.scenes.dice import RGB, Dice
from ssa_export.scenes.geometry import Frame, Polygon
from ssa_export.scenes.stage import Stage

_LEAVES: tuple[RGB, ...] = (
    (0.20, 0.36, 0.13),
    (0.26, 0.42, 0.16),
    (0.16, 0.30, 0.16),
    (0.34, 0.40, 0.15),
    (0.24, 0.34, 0.10),
)
_AUTUMN: tuple[RGB, ...] = ((0.52, 0.36, 0.10), (0.50, 0.26, 0.10), (0.45, 0.40, 0.14))


def _blob(dice: Dice, u: float, v: float, ru: float, rv: float) -> list[tuple[float, float]]:
    """A ragged ellipse."""
    count = 22
    corners = []
    for k in range(count):
        grow = dice.between(0.82, 1.12)
        angle = 2 * math.pi * k / count
        corners.append((u + ru * grow * math.cos(angle), v + rv * grow * math.sin(angle)))
    return corners


def _leaves(
    stage: Stage, pen: Pen, frame: Frame, blobs: list[tuple[float, float, float, float]]
) -> None:
    """Blobs (u, v, radius u, radius v) of foliage: dark below, lighter where the sun falls."""
    dice = stage.dice
    green = dice.tint(_AUTUMN if dice.chance(0.12) else _LEAVES, 0.03)
    texture = stage.noise.mottled((3, 0.38), (10, 0.22))
    outline: list[Polygon] = [frame.polygon(_blob(dice, *blob)) for blob in blobs]
    pen.fill(outline, green, texture=texture, level=0.72)
    sun_u = 0.35 * math.copysign(1.0, stage.light.towards_sun[0])
    lit: list[Polygon] = []
    bright: list[Polygon] = []
    for u, v, ru, rv in blobs:
        lit.append(
            frame.polygon(_blob(dice, u + 0.25 * sun_u * ru, v + 0.2 * rv, ru * 0.7, rv * 0.65))
        )
        bright.append(
            frame.polygon(_blob(dice, u + sun_u * ru, v + 0.42 * rv, ru * 0.36, rv * 0.32))
        )
    pen.fill(lit, green, texture=texture, level=0.95, opacity=0.8)
    pen.fill(bright, green, texture=texture, level=1.3, opacity=0.75)


def tree(stage: Stage, frame: Frame) -> None:
    """A broadleaf tree, or now and then a conifer."""
    dice = stage.dice
    height = dice.between(4.5, 9.0)
    stage.shadow(frame.x, frame.z, height * 0.22, height * 0.14, 0.4)
    pen = stage.pen(classes.VEGETATION, frame.z)
    bark = dice.tint(((0.30, 0.22, 0.15), (0.38, 0.33, 0.28)), 0.03)
    thick = height * dice.between(0.035, 0.05)
    trunk = [(-thick, 0.0), (thick, 0.0), (thick * 0.6, height * 0.6), (-thick * 0.6, height * 0.6)]
    pen.fill([frame.polygon(trunk)], bark, texture=stage.noise.mottled((3, 0.3)), level=0.9)
    if dice.chance(0.2):
        shares = (0.25, 0.42, 0.58, 0.74, 0.9)
        rows = [(0.0, height * k, height * 0.24 * (1.15 - k), height * 0.13) for k in shares]
        _leaves(stage, pen, frame, rows)
        return
    spread = height * dice.between(0.24, 0.34)
    blobs = [(0.0, height * 0.68, spread, height * 0.26)]
    for _ in range(dice.whole(3, 5)):
        blobs.append(
            (
                dice.between(-0.75, 0.75) * spread,
                height * dice.between(0.55, 0.88),
                spread * dice.between(0.4, 0.6),
                height * dice.between(0.12, 0.19),
            )
        )
    _leaves(stage, pen, frame, blobs)


def bush(stage: Stage, frame: Frame) -> None:
    """A round bush a metre or so high."""
    dice = stage.dice
    height, half = dice.between(0.7, 1.8), dice.between(0.7, 1.6)
    stage.shadow(frame.x, frame.z, half, 0.5, 0.45)
    pen = stage.pen(classes.VEGETATION, frame.z)
    blobs = [(half * share, height * 0.45, half * 0.55, height * 0.5) for share in (-0.5, 0.0, 0.5)]
    _leaves(stage, pen, frame, blobs)


def hedge(stage: Stage, frame: Frame, length: float, height: float) -> None:
    """Foliage along u, from the ground up to about `height`."""
    dice = stage.dice
    pen = stage.pen(classes.VEGETATION, frame.z)
    count = max(3, min(12, round(length / max(height, 0.8))))
    step = length / count
    blobs = [
        (
            (k + 0.5) * step,
            height * dice.between(0.38, 0.5),
            step * dice.between(0.65, 0.9),
            height * dice.between(0.48, 0.6),
        )
        for k in range(count)
    ]
    _leaves(stage, pen, frame, blobs)
