"""People on foot."""

import math

from ssa_export.scenes import classes
from ssa_export.scenes.dice import RGB
from ssa_export.scenes.geometry import Frame, Point
from ssa_export.scenes.stage import Stage

SKINS: tuple[RGB, ...] = ((0.90, 0.72, 0.60), (0.75, 0.55, 0.42), (0.45, 0.30, 0.22))
HAIRS: tuple[RGB, ...] = ((0.10, 0.08, 0.06), (0.35, 0.22, 0.12), (0.75, 0.60, 0.30))
TOPS: tuple[RGB, ...] = (
    (0.80, 0.15, 0.15),
    (0.15, 0.30, 0.65),
    (0.92, 0.90, 0.85),
    (0.10, 0.10, 0.12),
    (0.90, 0.70, 0.15),
    (0.20, 0.50, 0.30),
    (0.55, 0.25, 0.55),
    (0.90, 0.45, 0.15),
)
TROUSERS: tuple[RGB, ...] = (
    (0.12, 0.15, 0.28),
    (0.10, 0.10, 0.11),
    (0.45, 0.38, 0.28),
    (0.30, 0.35, 0.45),
)


def person(stage: Stage, frame: Frame) -> None:
    """Somebody standing or walking at the frame's origin, facing along u."""
    dice = stage.dice
    tall = dice.between(1.55, 1.95) if dice.chance(0.85) else dice.between(1.0, 1.4)
    stride = dice.between(0.02, 0.26) * (1 if dice.chance(0.5) else -1)
    broad = dice.between(0.9, 1.2)
    top, trousers, skin = dice.tint(TOPS), dice.tint(TROUSERS), dice.tint(SKINS, 0.03)
    stage.shadow(frame.x, frame.z, 0.45, 0.3, 0.5)
    pen = stage.pen(classes.PERSON, frame.z)
    level = 0.5 + 0.5 * stage.level(frame)

    def limb(start: Point, end: Point, width: float, colour: RGB) -> None:
        scaled = [(u * tall, v * tall) for u, v in (start, end)]
        pen.fill([frame.stroke(scaled[0], scaled[1], width * tall * broad)], colour, level=level)

    shoe = (0.08, 0.07, 0.07)
    for side in (-1, 1):
        foot = side * (0.045 + abs(stride) * 0.5)
        limb((side * 0.045, 0.5), (foot, 0.03), 0.085, trousers)
        limb((foot - 0.02, 0.02), (foot + 0.07, 0.02), 0.04, shoe)
    swing = stride * 0.6
    limb((-0.1, 0.8), (-0.12 - swing, 0.47), 0.06, _darker(top))
    hips, shoulders = 0.085 * broad, 0.125 * broad
    if dice.chance(0.25):  # a coat or a skirt
        hem = [(-0.13 * broad, 0.32), (0.13 * broad, 0.32), (hips, 0.55), (-hips, 0.55)]
        pen.fill([frame.polygon([(u * tall, v * tall) for u, v in hem])], top, level=level)
    torso = [(-hips, 0.48), (hips, 0.48), (shoulders, 0.8), (0.06, 0.85), (-0.06, 0.85)]
    torso.append((-shoulders, 0.8))
    pen.fill([frame.polygon([(u * tall, v * tall) for u, v in torso])], top, level=level)
    limb((0.1, 0.8), (0.12 + swing, 0.47), 0.06, _darker(top))
    pen.fill([frame.disc((0.12 + swing) * tall, 0.46 * tall, 0.03 * tall)], skin, level=level)
    limb((0.0, 0.84), (0.0, 0.9), 0.05, skin)
    pen.fill([frame.disc(0.0, 0.93 * tall, 0.068 * tall)], skin, level=level)
    turn = dice.between(-0.4, 0.4)
    cap = [
        (
            0.075 * tall * math.cos(turn + math.pi * k / 10),
            0.935 * tall + 0.072 * tall * math.sin(turn + math.pi * k / 10),
        )
        for k in range(11)
    ]
    pen.fill([frame.polygon(cap)], dice.tint(HAIRS, 0.03), level=level)
    if dice.chance(0.3):
        bag = [(-0.19, 0.38), (-0.08, 0.38), (-0.08, 0.52), (-0.19, 0.52)]
        bag_colour = dice.tint(TOPS)
        pen.fill([frame.polygon([(u * tall, v * tall) for u, v in bag])], bag_colour, level=level)


def _darker(colour: RGB) -> RGB:
    return colour[0] * 0.75, colour[1] * 0.75, colour[2] * 0.75
