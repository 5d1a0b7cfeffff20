"""Cars of several makes."""

from dataclasses import dataclass

from ssa_export.scenes import classes
from ssa_export.scenes.canvas import Pen
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
from ssa_export.scenes.stage import Light, Stage


@dataclass(frozen=True)
class _Shape:
    """A make of car: lengths in metres from the rear bumper, heights from the ground."""

    length: float
    windscreen: float
    """Where the windscreen meets the bonnet."""
    roof_start: float
    roof_end: float
    boot: float
    """Where the boot meets the rear window."""
    belt: float
    """Lower edge of the windows."""
    top: float


_SHAPES = (
    _Shape(4.0, 3.0, 0.25, 2.3, 0.0, 0.92, 1.48),  # hatchback
    _Shape(4.6, 3.3, 1.35, 2.6, 0.75, 0.92, 1.42),  # sedan
    _Shape(4.6, 3.3, 0.35, 2.6, 0.0, 0.94, 1.50),  # estate
    _Shape(4.5, 3.3, 0.2, 2.6, 0.0, 1.05, 1.72),  # off-roader
    _Shape(4.9, 4.1, 0.1, 3.4, 0.0, 1.15, 2.05),  # van
)


def car(stage: Stage, frame: Frame) -> None:
    """A car of some make; `frame` is the left end of its rear bumper, on the ground."""
    dice, light = stage.dice, stage.light
    shape = dice.pick(_SHAPES)
    length, belt = shape.length, shape.belt
    body = Body(frame, length, 1.8)
    paint = dice.tint(CAR_PAINTS)
    ground_shadow(stage, body)
    pen = stage.pen(classes.CAR, frame.z)
    tyres_from_behind(pen, body, (0.4, length - 0.4), 0.32)

    lower = Profile(
        [
            (0.05, 0.25),
            (0.0, belt),
            (shape.windscreen, belt),
            (length - 0.1, belt - 0.12),
            (length, 0.25),
        ],
        [paint] * 4,
    )
    # The rear window leans a little more the longer the boot is.
    cabin_uv = [(shape.boot, belt), (shape.roof_start + shape.boot * 0.3, shape.top)]
    cabin_uv += [(shape.roof_end, shape.top), (shape.windscreen, belt)]
    cabin = Profile(cabin_uv, [GLASS, paint, GLASS], inset=0.12)
    draw_profile(pen, light, body, lower, paint)
    draw_profile(pen, light, body, cabin, paint)
    _car_windows(pen, light, body, cabin)
    dark = (paint[0] * 0.45, paint[1] * 0.45, paint[2] * 0.45)
    end = body.visible_end_u
    if end is not None:
        pen.fill([frame.across(0.02, 0.25, 1.78, 0.45, end)], dark, level=body.end_level(light))
        if end > 0:
            pen.fill([frame.across(0.5, 0.62, 1.3, 0.76, end)], (0.1, 0.1, 0.1))
    side = body.visible_side_w
    if side is not None:
        level = body.side_level(light)
        pen.fill([frame.rect(0.05, 0.25, length - 0.03, 0.36, side)], dark, level=level)
        pen.fill([frame.rect(length * 0.47, 0.3, length * 0.47 + 0.03, belt, side)], dark)
    lamps(pen, body, belt - 0.28, 0.17)
    wheels(pen, body, (0.8, length - 0.85), 0.34)


def _car_windows(pen: Pen, light: Light, body: Body, cabin: Profile) -> None:
    side = body.visible_side_w
    if side is None:
        return
    (rear, belt), (roof0, top), (roof1, _), (bonnet, _) = cabin.corners_uv
    v0, v1 = belt + 0.05, top - 0.09
    slope0, slope1 = (roof0 - rear) / (top - belt), (bonnet - roof1) / (top - belt)
    left0, left1 = rear + 0.12 + slope0 * 0.05, roof0 + 0.12 - slope0 * 0.09
    right0, right1 = bonnet - 0.12 - slope1 * 0.05, roof1 - 0.08 + slope1 * 0.09
    middle = (left0 + right0) / 2
    w = cabin.inset if side == 0.0 else body.width - cabin.inset
    rear_pane = [(left0, v0), (middle - 0.05, v0), (middle - 0.05, v1), (left1, v1)]
    front_pane = [(middle + 0.05, v0), (right0, v0), (right1, v1), (middle + 0.05, v1)]
    panes = [body.frame.polygon(rear_pane, w), body.frame.polygon(front_pane, w)]
    pen.fill(panes, GLASS, level=body.side_level(light))
