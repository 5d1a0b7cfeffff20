"""Lorries."""

from ssa_export.scenes import classes
from ssa_export.scenes.canvas import Pen
from ssa_export.scenes.dice import RGB
from ssa_export.scenes.geometry import Frame
from ssa_export.scenes.objects.solids import Body, Profile, draw_profile
from ssa_export.scenes.objects.vehicle_parts import (
    CAR_PAINTS,
    GLASS,
    ground_shadow,
    lamps,
    tyres_from_behind,
    wheels,
)
from ssa_export.scenes.stage import Stage

_CARGO_PAINTS: tuple[RGB, ...] = (
    (0.88, 0.88, 0.86),
    (0.75, 0.55, 0.25),
    (0.25, 0.42, 0.60),
    (0.55, 0.58, 0.55),
    (0.66, 0.22, 0.18),
)


def truck(stage: Stage, frame: Frame) -> None:
    """A lorry: a cargo box behind a cab, on a dark chassis."""
    dice, light = stage.dice, stage.light
    cargo_length = dice.between(4.0, 7.5)
    length, width, top = cargo_length + 2.3, 2.45, dice.between(3.0, 3.8)
    body = Body(frame, length, width)
    cargo_paint, cab_paint = dice.tint(_CARGO_PAINTS), dice.tint(CAR_PAINTS)
    ground_shadow(stage, body)
    pen = stage.pen(classes.TRUCK, frame.z)
    tyres_from_behind(pen, body, (1.0, length - 0.9), 0.5)

    def chassis() -> None:
        profile = Profile([(0, 0.55), (0, 1.0), (length, 1.0), (length, 0.45)], [(0.1,) * 3] * 3)
        draw_profile(pen, light, body, profile, (0.12, 0.12, 0.13))

    def cab() -> None:
        start = cargo_length + 0.25
        corners = [(start, 0.5), (start, 2.7), (length - 0.25, 2.7), (length, 1.6), (length, 0.5)]
        draw_profile(
            pen, light, body, Profile(corners, [cab_paint, cab_paint, GLASS, cab_paint]), cab_paint
        )
        side = body.visible_side_w
        if side is not None:
            pane = [
                (start + 0.5, 1.6),
                (length - 0.2, 1.6),
                (length - 0.4, 2.4),
                (start + 0.5, 2.4),
            ]
            pen.fill([frame.polygon(pane, side)], GLASS)

    def cargo() -> None:
        corners = [(0.0, 0.95), (0.0, top), (cargo_length, top), (cargo_length, 0.95)]
        draw_profile(pen, light, body, Profile(corners, [cargo_paint] * 3), cargo_paint)
        _cargo_trim(stage, pen, body, cargo_length, top)

    chassis()
    for part in (cab, cargo) if body.visible_end_u == 0.0 else (cargo, cab):
        part()
    lamps(pen, body, 0.7, 0.2)
    wheels(pen, body, (1.0, 2.1, length - 1.0), 0.5)


def _cargo_trim(stage: Stage, pen: Pen, body: Body, cargo_length: float, top: float) -> None:
    """Ribs or a stripe along the side, door joints at the rear."""
    frame, side = body.frame, body.visible_side_w
    if side is not None:
        level = body.side_level(stage.light)
        if stage.dice.chance(0.5):
            us = [0.5 + 0.6 * k for k in range(int((cargo_length - 0.4) / 0.6))]
            ribs = [frame.rect(u, 1.0, u + 0.08, top - 0.05, side) for u in us]
            pen.fill(ribs, (0.2, 0.2, 0.2), opacity=0.45, level=level)
        else:
            stripe = frame.rect(0.3, top * 0.5, cargo_length - 0.3, top * 0.72, side)
            pen.fill([stripe], stage.dice.tint(CAR_PAINTS), level=level)
    if body.visible_end_u == 0.0:
        middle = body.width / 2
        joints = [frame.across(middle - 0.03, 1.0, middle + 0.03, top - 0.1)]
        joints += [frame.across(w, 1.0, w + 0.05, top - 0.1) for w in (0.08, body.width - 0.13)]
        pen.fill(joints, (0.25, 0.25, 0.25), level=body.end_level(stage.light))
