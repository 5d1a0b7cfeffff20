"""Buses and trams: long boxes with a band of windows."""

from ssa_export.scenes import classes
from ssa_export.scenes.canvas import Pen
from ssa_export.scenes.dice import RGB
from ssa_export.scenes.geometry import Frame
from ssa_export.scenes.objects.solids import Body, Profile, draw_profile
from ssa_export.scenes.objects.vehicle_parts import (
    GLASS,
    ground_shadow,
    lamps,
    tyres_from_behind,
    wheels,
)
from ssa_export.scenes.stage import Stage

_BUS_PAINTS: tuple[RGB, ...] = ((0.90, 0.70, 0.10), (0.78, 0.12, 0.12), (0.15, 0.45, 0.75))
_TRAM_PAINTS: tuple[RGB, ...] = ((0.80, 0.85, 0.82), (0.88, 0.84, 0.72), (0.72, 0.78, 0.84))
_TRAM_TRIMS: tuple[RGB, ...] = ((0.10, 0.50, 0.30), (0.55, 0.10, 0.35), (0.10, 0.25, 0.60))


def _panes(start: float, end: float, period: float, gap: float) -> list[tuple[float, float]]:
    count = max(1, int((end - start) / period))
    step = (end - start) / count
    return [(start + k * step + gap / 2, start + (k + 1) * step - gap / 2) for k in range(count)]


def _coach(
    stage: Stage, pen: Pen, body: Body, top: float, floor: float, colours: tuple[RGB, RGB]
) -> None:
    """A long box with a band of windows: what buses and trams share."""
    light, frame = stage.light, body.frame
    paint, trim = colours
    length, width = body.length, body.width
    corners = [(0.0, floor), (0.0, top - 0.2), (0.25, top), (length - 0.25, top)]
    corners += [(length, top - 0.3), (length, floor)]
    draw_profile(pen, light, body, Profile(corners, [paint] * 5), paint)
    side, end = body.visible_side_w, body.visible_end_u
    if side is not None:
        level = body.side_level(light)
        pen.fill([frame.rect(0.0, floor, length, floor + 0.5, side)], trim, level=level)
        panes = _panes(0.3, length - 0.3, 1.5, 0.18)
        rects = [frame.rect(u0, top * 0.46, u1, top * 0.84, side) for u0, u1 in panes]
        doors = [frame.rect(u, floor + 0.1, u + 1.1, top * 0.84, side) for u in (1.8, length - 2.2)]
        pen.fill(rects, GLASS, level=level)
        pen.fill(doors, (0.28, 0.33, 0.38), level=level)
    if end is not None:
        level = body.end_level(light)
        pen.fill([frame.across(0.0, floor, width, floor + 0.5, end)], trim, level=level)
        pane = frame.across(0.18, top * 0.45, width - 0.18, top * 0.80, end)
        pen.fill([pane], GLASS, level=level)
        sign = frame.across(0.5, top * 0.84, width - 0.5, top * 0.93, end)
        pen.fill([sign], (0.12, 0.10, 0.05))
        line = frame.across(0.8, top * 0.865, width - 0.8, top * 0.905, end)
        pen.fill([line], (1.0, 0.75, 0.2))


def bus(stage: Stage, frame: Frame) -> None:
    """A city bus in one strong colour."""
    dice = stage.dice
    body = Body(frame, dice.between(9.0, 12.0), 2.5)
    paint = dice.tint(_BUS_PAINTS)
    ground_shadow(stage, body)
    pen = stage.pen(classes.BUS, frame.z)
    tyres_from_behind(pen, body, (1.2, body.length - 1.2), 0.45)
    trim = (paint[0] * 0.6, paint[1] * 0.6, paint[2] * 0.6)
    _coach(stage, pen, body, dice.between(2.9, 3.3), 0.35, (paint, trim))
    lamps(pen, body, 0.95, 0.22)
    wheels(pen, body, (2.2, body.length - 2.6), 0.48)


def tram(stage: Stage, frame: Frame) -> None:
    """A pale tram with a coloured trim, a skirt instead of wheels, and a pantograph."""
    dice, light = stage.dice, stage.light
    length, top = dice.between(14.0, 22.0), 3.5
    body = Body(frame, length, 2.5)
    ground_shadow(stage, body)
    pen = stage.pen(classes.TRAIN, frame.z)
    skirt = Profile([(0.3, 0.0), (0.3, 0.4), (length, 0.4), (length - 0.3, 0.0)], [(0.1,) * 3] * 3)
    bow = [frame.stroke((length * 0.5, top), (length * 0.5 + 0.8, top + 0.7), 0.09, 1.25)]
    bow += [frame.stroke((length * 0.5 + 0.8, top + 0.7), (length * 0.5, top + 1.4), 0.09, 1.25)]
    bow += [frame.across(0.5, top + 1.36, 2.0, top + 1.46, length * 0.5)]
    pen.fill(bow, (0.15, 0.15, 0.16))
    draw_profile(pen, light, body, skirt, (0.1, 0.1, 0.11))
    trim = dice.tint(_TRAM_TRIMS)
    _coach(stage, pen, body, top, 0.3, (dice.tint(_TRAM_PAINTS), trim))
    side, end = body.visible_side_w, body.visible_end_u
    if side is not None:
        level = body.side_level(light)
        pen.fill([frame.rect(0.0, top - 0.4, length, top - 0.2, side)], trim, level=level)
        us = [length * share for share in (0.33, 0.66)]
        joints = [frame.rect(u - 0.2, 0.3, u + 0.2, top - 0.1, side) for u in us]
        pen.fill(joints, (0.12, 0.12, 0.13))
    if end is not None:
        pen.fill([frame.across(0.0, 1.05, 2.5, 1.25, end)], trim, level=body.end_level(light))
    lamps(pen, body, 0.62, 0.2)
