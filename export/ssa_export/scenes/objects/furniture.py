"""Poles, street lamps, traffic lights and traffic signs."""

import math

from ssa_export.scenes import classes
from ssa_export.scenes.canvas import Pen
from ssa_export.scenes.dice import RGB
from ssa_export.scenes.geometry import Frame, ring
from ssa_export.scenes.stage import Stage

_METALS: tuple[RGB, ...] = ((0.55, 0.56, 0.58), (0.30, 0.32, 0.33), (0.40, 0.43, 0.40))
_RED: RGB = (0.82, 0.08, 0.10)
_WHITE: RGB = (0.94, 0.94, 0.92)
_BLUE: RGB = (0.08, 0.28, 0.68)
_YELLOW: RGB = (0.96, 0.78, 0.10)
_BLACK: RGB = (0.08, 0.08, 0.08)


def _post(stage: Stage, frame: Frame, height: float, width: float) -> Pen:
    colour = stage.dice.tint(_METALS, 0.04)
    stage.shadow(frame.x, frame.z, 0.25, 0.2, 0.4)
    pen = stage.pen(classes.POLE, frame.z)
    half = width / 2
    pen.fill([frame.rect(-half, 0.0, half, height)], colour, level=0.9)
    shade = (colour[0] * 0.55, colour[1] * 0.55, colour[2] * 0.55)
    pen.fill([frame.rect(half * 0.2, 0.0, half, height)], shade, level=0.9)
    pen.fill([frame.rect(-1.6 * half, 0.0, 1.6 * half, 0.25)], shade, level=0.9)
    return pen


def bollard(stage: Stage, frame: Frame) -> None:
    """A low post with a pale ring."""
    pen = _post(stage, frame, 1.0, 0.18)
    pen.fill([frame.rect(-0.09, 0.72, 0.09, 0.86)], _WHITE)


def street_lamp(stage: Stage, frame: Frame) -> None:
    """A tall pole with an arm towards +u or -u and a lamp; all of it class pole."""
    dice = stage.dice
    height, reach = dice.between(5.0, 8.0), dice.between(0.8, 1.8) * dice.pick((-1, 1))
    pen = _post(stage, frame, height, dice.between(0.15, 0.24))
    arm = frame.stroke((0.0, height - 0.1), (reach, height + 0.3), 0.12)
    pen.fill([arm], (0.35, 0.36, 0.38))
    head = frame.rect(reach - 0.4, height + 0.18, reach + 0.4, height + 0.42)
    pen.fill([head], (0.25, 0.26, 0.28))
    pen.fill([frame.rect(reach - 0.3, height + 0.12, reach + 0.3, height + 0.2)], (1.0, 0.95, 0.75))


def utility_pole(stage: Stage, frame: Frame) -> None:
    """A plain tall pole, sometimes with a cross bar."""
    height = stage.dice.between(4.5, 8.0)
    pen = _post(stage, frame, height, stage.dice.between(0.18, 0.32))
    if stage.dice.chance(0.5):
        bars = [frame.rect(-0.8, height - v - 0.14, 0.8, height - v) for v in (0.2, 0.7)]
        pen.fill(bars, (0.30, 0.27, 0.24))


def traffic_light(stage: Stage, frame: Frame) -> None:
    """A pole and, as an instance of its own, a box with three lamps of which one is lit."""
    dice = stage.dice
    foot = dice.between(2.2, 3.2)
    _post(stage, frame, foot + 0.4, 0.16)
    pen = stage.pen(classes.TRAFFIC_LIGHT, frame.z)
    size = dice.between(0.9, 1.35)
    half, tall = 0.22 * size, 1.15 * size
    if dice.chance(0.4):
        pen.fill([frame.rect(-half * 1.5, foot - 0.12, half * 1.5, foot + tall + 0.12)], _WHITE)
    case = (0.10, 0.11, 0.11) if dice.chance(0.75) else (0.75, 0.62, 0.12)
    pen.fill([frame.rect(-half * 1.15, foot, half * 1.15, foot + tall)], case)
    lit = dice.whole(0, 2)
    colours: tuple[RGB, ...] = ((0.15, 0.95, 0.45), (1.0, 0.75, 0.1), (1.0, 0.15, 0.1))
    for k, colour in enumerate(colours):
        lamp = colour if k == lit else (colour[0] * 0.22, colour[1] * 0.22, colour[2] * 0.22)
        centre = foot + tall * (k + 0.5) / 3
        pen.fill([frame.disc(0.0, centre, half * 0.78)], lamp)


def traffic_sign(stage: Stage, frame: Frame) -> None:
    """A pole and, as an instance of its own, the sign on it."""
    dice = stage.dice
    centre = dice.between(2.1, 2.8)
    _post(stage, frame, centre + 0.3, 0.12)
    size = dice.between(0.42, 0.62)
    pen = stage.pen(classes.TRAFFIC_SIGN, frame.z)
    kind = dice.pick(("ban", "limit", "duty", "warning", "yield", "stop", "priority", "parking"))
    _sign_face(pen, frame, kind, centre, size)
    if dice.chance(0.25):
        below = centre - 1.15 * size
        pen.fill([frame.rect(-0.8 * size, below - 0.3, 0.8 * size, below)], _WHITE)
        pen.fill([frame.rect(-0.6 * size, below - 0.2, 0.6 * size, below - 0.1)], _BLACK)


def _sign_face(pen: Pen, frame: Frame, kind: str, v: float, r: float) -> None:
    def turned(radius: float, count: int, start: float) -> list[tuple[float, float]]:
        """A regular polygon with a corner at angle `start`."""
        cos, sin = math.cos(start), math.sin(start)
        corners = ring((0.0, 0.0), radius, count)
        return frame.polygon([(x * cos - y * sin, v + x * sin + y * cos) for x, y in corners])

    if kind == "ban":
        pen.fill([frame.disc(0.0, v, r)], _RED)
        pen.fill([frame.rect(-0.7 * r, v - 0.18 * r, 0.7 * r, v + 0.18 * r)], _WHITE)
    elif kind == "limit":
        pen.fill([frame.disc(0.0, v, r)], _RED)
        pen.fill([frame.disc(0.0, v, r * 0.75)], _WHITE)
        lefts = (-0.41 * r, 0.09 * r)
        digits = [frame.rect(u, v - 0.35 * r, u + 0.32 * r, v + 0.35 * r) for u in lefts]
        pen.fill(digits, _BLACK)
    elif kind == "duty":
        pen.fill([frame.disc(0.0, v, r)], _BLUE)
        pen.fill([frame.rect(-0.12 * r, v - 0.6 * r, 0.12 * r, v + 0.2 * r)], _WHITE)
        head = [(-0.42 * r, v + 0.15 * r), (0.42 * r, v + 0.15 * r), (0.0, v + 0.65 * r)]
        pen.fill([frame.polygon(head)], _WHITE)
    elif kind in ("warning", "yield"):
        start = math.pi / 2 if kind == "warning" else -math.pi / 2
        pen.fill([turned(1.2 * r, 3, start)], _RED)
        pen.fill([turned(0.72 * r, 3, start)], _WHITE)
        if kind == "warning":
            pen.fill([frame.rect(-0.09 * r, v - 0.2 * r, 0.09 * r, v + 0.35 * r)], _BLACK)
    elif kind == "stop":
        pen.fill([turned(1.1 * r, 8, math.pi / 8)], _WHITE)
        pen.fill([turned(1.0 * r, 8, math.pi / 8)], _RED)
        pen.fill([frame.rect(-0.65 * r, v - 0.18 * r, 0.65 * r, v + 0.18 * r)], _WHITE)
    elif kind == "priority":
        pen.fill([turned(1.2 * r, 4, 0.0)], _WHITE)
        pen.fill([turned(0.9 * r, 4, 0.0)], _YELLOW)
    else:
        pen.fill([frame.rect(-r, v - r, r, v + r)], _BLUE)
        pen.fill([frame.rect(-0.4 * r, v - 0.65 * r, -0.15 * r, v + 0.65 * r)], _WHITE)
        pen.fill([frame.disc(0.05 * r, v + 0.28 * r, 0.4 * r)], _WHITE)
        pen.fill([frame.disc(0.05 * r, v + 0.28 * r, 0.18 * r)], _BLUE)


def direction_board(stage: Stage, frame: Frame) -> None:
    """Two poles and a large board with lines of "writing"."""
    dice = stage.dice
    half, foot, top = dice.between(1.0, 1.8), 2.2, dice.between(3.4, 4.2)
    for u in (-0.7 * half, 0.7 * half):
        _post(stage, frame.at(u), top, 0.14)
    pen = stage.pen(classes.TRAFFIC_SIGN, frame.z)
    ground = dice.pick((_BLUE, (0.05, 0.42, 0.25), _YELLOW))
    ink = _BLACK if ground == _YELLOW else _WHITE
    pen.fill([frame.rect(-half, foot, half, top)], ink)
    pen.fill([frame.rect(-half + 0.07, foot + 0.07, half - 0.07, top - 0.07)], ground)
    rows = dice.whole(2, 3)
    lines = []
    for k in range(rows):
        v = foot + (top - foot) * (k + 0.5) / rows
        lines.append(frame.rect(-half * 0.75, v - 0.1, half * dice.between(0.1, 0.7), v + 0.1))
    pen.fill(lines, ink)
