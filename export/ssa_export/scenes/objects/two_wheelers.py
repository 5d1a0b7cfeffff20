"""Bicycles and motorcycles, with or without their riders, seen more or less from the side."""

from ssa_export.scenes import classes
from ssa_export.scenes.canvas import Pen
from ssa_export.scenes.dice import RGB
from ssa_export.scenes.geometry import Frame
from ssa_export.scenes.objects.people import HAIRS, SKINS, TOPS, TROUSERS
from ssa_export.scenes.stage import Stage

_RUBBER: RGB = (0.07, 0.07, 0.08)
_FRAMES: tuple[RGB, ...] = (
    (0.75, 0.12, 0.12),
    (0.12, 0.35, 0.65),
    (0.85, 0.85, 0.82),
    (0.15, 0.15, 0.16),
    (0.20, 0.60, 0.45),
    (0.90, 0.60, 0.10),
)


def _wheel(pen: Pen, frame: Frame, u: float, radius: float, tyre: float, disc: float) -> None:
    """Published labels count the space between the spokes as wheel, and so do these."""
    pen.fill([frame.disc(u, radius, radius)], _RUBBER)
    pen.fill([frame.disc(u, radius, radius - tyre)], (0.60, 0.62, 0.64), opacity=disc)
    spokes = [
        frame.stroke((u - dx, radius - dy), (u + dx, radius + dy), 0.025)
        for dx, dy in ((radius - tyre, 0.0), (0.0, radius - tyre), (0.2, 0.2), (0.2, -0.2))
    ]
    pen.fill(spokes, (0.25, 0.25, 0.27))
    pen.fill([frame.disc(u, radius, 0.05)], (0.2, 0.2, 0.2))


def bicycle(stage: Stage, frame: Frame) -> None:
    """A bicycle 1.75 m long; the frame's origin is below the rear end."""
    paint = stage.dice.tint(_FRAMES)
    stage.shadow(frame.at(0.87).x, frame.at(0.87).z, 0.9, 0.3, 0.45)
    pen = stage.pen(classes.BICYCLE, frame.z)
    for u in (0.35, 1.4):
        _wheel(pen, frame, u, 0.35, 0.06, 0.8)
    tubes = (
        ((0.35, 0.35), (0.8, 0.3)),
        ((0.35, 0.35), (0.67, 0.8)),
        ((0.8, 0.3), (0.64, 0.9)),
        ((0.8, 0.3), (1.25, 0.82)),
        ((0.67, 0.78), (1.24, 0.88)),
        ((1.4, 0.35), (1.22, 1.0)),
    )
    pen.fill([frame.stroke(start, end, 0.06) for start, end in tubes], paint)
    dark = [frame.stroke((0.5, 0.94), (0.8, 0.95), 0.08), frame.disc(0.8, 0.3, 0.1)]
    dark.append(frame.stroke((1.14, 1.06), (1.36, 1.02), 0.07))
    pen.fill(dark, (0.1, 0.1, 0.1))


def motorcycle(stage: Stage, frame: Frame) -> None:
    """A motorcycle or a scooter 2.1 m long; the frame's origin is below the rear end."""
    paint = stage.dice.tint(_FRAMES)
    scooter = stage.dice.chance(0.4)
    stage.shadow(frame.at(1.05).x, frame.at(1.05).z, 1.1, 0.35, 0.6)
    pen = stage.pen(classes.MOTORCYCLE, frame.z)
    level = 0.5 + 0.5 * stage.level(frame)
    radius = 0.26 if scooter else 0.33
    for u in (0.38, 1.72):
        _wheel(pen, frame, u, radius, 0.12, 1.0)
    dark = [frame.polygon([(0.3, 0.3), (1.3, 0.22), (1.4, 0.6), (0.7, 0.75)])]
    dark.append(frame.stroke((1.72, radius), (1.42, 1.0), 0.1))
    dark.append(frame.stroke((1.28, 1.12), (1.5, 1.0), 0.09))
    pen.fill(dark, (0.17, 0.17, 0.18), level=level)
    if scooter:
        body = [(0.15, 0.45), (0.75, 0.28), (1.35, 0.28), (1.62, 0.4), (1.5, 0.98), (1.38, 0.98)]
        body += [(1.28, 0.4), (0.95, 0.42), (0.85, 0.72), (0.12, 0.75)]
    else:
        body = [(0.05, 0.85), (0.2, 0.6), (0.8, 0.5), (1.3, 0.45), (1.5, 0.7), (1.48, 0.98)]
        body += [(1.15, 1.0), (0.95, 0.82), (0.5, 0.8)]
        pen.fill([frame.stroke((0.1, 0.35), (1.0, 0.3), 0.1)], (0.75, 0.75, 0.78), level=level)
    pen.fill([frame.polygon(body)], paint, level=level)
    seat = [(0.18, 0.8), (0.9, 0.76), (0.92, 0.86), (0.2, 0.92)]
    pen.fill([frame.polygon(seat)], (0.08, 0.07, 0.07))
    pen.fill([frame.disc(1.52, 0.88, 0.1)], (1.0, 0.96, 0.8))
    pen.fill([frame.rect(0.02, 0.62, 0.12, 0.74)], (0.85, 0.1, 0.08))


def _rider(stage: Stage, frame: Frame, *, saddle_u: float, bar_u: float, helmet: bool) -> None:
    dice = stage.dice
    pen = stage.pen(classes.RIDER, frame.z)
    level = 0.5 + 0.5 * stage.level(frame)
    top, trousers, skin = dice.tint(TOPS), dice.tint(TROUSERS), dice.tint(SKINS, 0.03)
    hip, shoulder = (saddle_u, 0.95), (saddle_u + 0.32, 1.5)
    knee, foot = (saddle_u + 0.42, 0.72), (saddle_u + 0.25, 0.28)
    pen.fill([frame.stroke(hip, knee, 0.19), frame.stroke(knee, foot, 0.15)], trousers, level=level)
    pen.fill([frame.stroke(foot, (foot[0] + 0.24, foot[1] - 0.03), 0.1)], (0.1, 0.09, 0.08))
    torso = [(hip[0] - 0.14, hip[1] - 0.05), (hip[0] + 0.14, hip[1] - 0.02)]
    torso += [(shoulder[0] + 0.12, shoulder[1] - 0.12), (shoulder[0] + 0.04, shoulder[1] + 0.08)]
    torso.append((shoulder[0] - 0.17, shoulder[1] - 0.02))
    pen.fill([frame.polygon(torso)], top, level=level)
    arm = (top[0] * 0.75, top[1] * 0.75, top[2] * 0.75)
    elbow, hand = (shoulder[0] + 0.16, 1.2), (bar_u, 1.07)
    arms = [frame.stroke((shoulder[0] - 0.02, 1.45), elbow, 0.11), frame.stroke(elbow, hand, 0.1)]
    pen.fill(arms, arm, level=level)
    head = (shoulder[0] + 0.08, 1.7)
    pen.fill([frame.disc(*head, 0.13)], skin, level=level)
    cover = dice.tint(_FRAMES) if helmet else dice.tint(HAIRS, 0.03)
    shell = [(head[0] - 0.16, head[1] - 0.06), (head[0] + 0.15, head[1] + 0.03)]
    shell += [(head[0] + 0.11, head[1] + 0.14), (head[0] - 0.02, head[1] + 0.19)]
    shell.append((head[0] - 0.14, head[1] + 0.12))
    pen.fill([frame.polygon(shell)], cover, level=level)


def cyclist(stage: Stage, frame: Frame) -> None:
    """A bicycle and, in front of it, its rider: two instances."""
    bicycle(stage, frame)
    _rider(stage, frame, saddle_u=0.65, bar_u=1.25, helmet=stage.dice.chance(0.5))


def motorcyclist(stage: Stage, frame: Frame) -> None:
    """A motorcycle and its rider, who wears a helmet."""
    motorcycle(stage, frame)
    _rider(stage, frame, saddle_u=0.6, bar_u=1.36, helmet=True)
