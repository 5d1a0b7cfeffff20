"""Cars, trucks, buses and trams."""

from ssa_export.scenes import classes
from ssa_export.scenes.canvas import Pen
from ssa_export.scenes.dice import RGB
from ssa_export.scenes.geometry import Frame, Polygon
from ssa_export.scenes.objects.solids import Body, Profile, draw_profile
from ssa_export.scenes.stage import Light, Stage

_GLASS: RGB = (0.16, 0.22, 0.28)
_TYRE: RGB = (0.06, 0.06, 0.07)
_RIM: RGB = (0.62, 0.63, 0.66)
_CAR_PAINTS: tuple[RGB, ...] = (
    (0.86, 0.87, 0.88),
    (0.62, 0.64, 0.67),
    (0.16, 0.17, 0.19),
    (0.70, 0.12, 0.11),
    (0.13, 0.25, 0.55),
    (0.13, 0.38, 0.30),
    (0.85, 0.68, 0.15),
    (0.42, 0.24, 0.16),
    (0.35, 0.55, 0.75),
)
_CARGO_PAINTS: tuple[RGB, ...] = (
    (0.88, 0.88, 0.86),
    (0.75, 0.55, 0.25),
    (0.25, 0.42, 0.60),
    (0.55, 0.58, 0.55),
    (0.66, 0.22, 0.18),
)
_BUS_PAINTS: tuple[RGB, ...] = ((0.90, 0.70, 0.10), (0.78, 0.12, 0.12), (0.15, 0.45, 0.75))
_TRAM_PAINTS: tuple[RGB, ...] = ((0.80, 0.85, 0.82), (0.88, 0.84, 0.72), (0.72, 0.78, 0.84))
_TRAM_TRIMS: tuple[RGB, ...] = ((0.10, 0.50, 0.30), (0.55, 0.10, 0.35), (0.10, 0.25, 0.60))

# (name, weight, length, bonnet end, roof start, roof end, boot start, belt height, roof height),
# lengths in metres from the rear bumper.
_CAR_SHAPES = {
    "hatchback": (4.0, 3.0, 0.25, 2.3, 0.0, 0.92, 1.48),
    "sedan": (4.6, 3.3, 1.35, 2.6, 0.75, 0.92, 1.42),
    "estate": (4.6, 3.3, 0.35, 2.6, 0.0, 0.94, 1.50),
    "suv": (4.5, 3.3, 0.2, 2.6, 0.0, 1.05, 1.72),
    "van": (4.9, 4.1, 0.1, 3.4, 0.0, 1.15, 2.05),
}


def _wheels(pen: Pen, body: Body, us: tuple[float, ...], radius: float) -> None:
    w = body.visible_side_w
    if w is None:
        return
    frame = body.frame
    pen.fill([frame.disc(u, radius, radius, w) for u in us], _TYRE)
    pen.fill([frame.disc(u, radius, radius * 0.58, w) for u in us], _RIM)
    pen.fill([frame.disc(u, radius, radius * 0.2, w) for u in us], (0.2, 0.2, 0.22))


def _tyres_from_behind(pen: Pen, body: Body, us: tuple[float, ...], radius: float) -> None:
    frame, width = body.frame, body.width
    rects = []
    for u in us:
        rects.append(frame.across(0.05, 0.0, 0.32, radius * 1.6, u))
        rects.append(frame.across(width - 0.32, 0.0, width - 0.05, radius * 1.6, u))
    pen.fill(rects, _TYRE)


def _lamps(pen: Pen, body: Body, v: float, size: float) -> None:
    """Tail or head lamps, and a number plate."""
    u = body.visible_end_u
    if u is None:
        return
    frame, width = body.frame, body.width
    colour: RGB = (0.85, 0.10, 0.08) if u == 0.0 else (1.0, 0.98, 0.85)
    lamps = [
        frame.across(0.08, v, 0.08 + 1.5 * size, v + size, u),
        frame.across(width - 0.08 - 1.5 * size, v, width - 0.08, v + size, u),
    ]
    pen.fill(lamps, colour)
    middle = width / 2
    pen.fill([frame.across(middle - 0.26, 0.5, middle + 0.26, 0.62, u)], (0.92, 0.92, 0.86))


def _ground_shadow(stage: Stage, body: Body) -> None:
    frame = body.frame
    outline = [(-0.2, -0.2), (body.length + 0.2, -0.2)]
    outline += [(body.length + 0.2, body.width + 0.2), (-0.2, body.width + 0.2)]
    polygon: Polygon = [frame.point(u, 0.0, w) for u, w in outline]
    stage.canvas.paint([polygon], (0.03, 0.03, 0.04), instance=None, opacity=0.65)


def car(stage: Stage, frame: Frame) -> None:
    """A car of some make; `frame` is the left end of its rear bumper, on the ground."""
    dice, light = stage.dice, stage.light
    length, bonnet, roof0, roof1, boot, belt, top = _CAR_SHAPES[dice.pick(tuple(_CAR_SHAPES))]
    body = Body(frame, length, 1.8)
    paint = dice.tint(_CAR_PAINTS)
    _ground_shadow(stage, body)
    pen = stage.pen(classes.CAR, frame.z)
    _tyres_from_behind(pen, body, (0.4, length - 0.4), 0.32)

    lower = Profile(
        [(0.05, 0.25), (0.0, belt), (bonnet, belt), (length - 0.1, belt - 0.12), (length, 0.25)],
        [paint] * 4,
    )
    cabin = Profile([(boot, belt), (roof0 + boot * 0.3, top), (roof1, top), (bonnet, belt)],
                    [_GLASS, paint, _GLASS], inset=0.12)  # fmt: skip
    # Seen from behind, the cabin's lower edge is hidden by the boot; from the front, by the bonnet.
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
    _lamps(pen, body, belt - 0.28, 0.17)
    _wheels(pen, body, (0.8, length - 0.85), 0.34)


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
    pen.fill(panes, _GLASS, level=body.side_level(light))


def truck(stage: Stage, frame: Frame) -> None:
    """A lorry: a cargo box behind a cab, on a dark chassis."""
    dice, light = stage.dice, stage.light
    cargo_length = dice.between(4.0, 7.5)
    length, width, top = cargo_length + 2.3, 2.45, dice.between(3.0, 3.8)
    body = Body(frame, length, width)
    cargo_paint, cab_paint = dice.tint(_CARGO_PAINTS), dice.tint(_CAR_PAINTS)
    _ground_shadow(stage, body)
    pen = stage.pen(classes.TRUCK, frame.z)
    _tyres_from_behind(pen, body, (1.0, length - 0.9), 0.5)

    def chassis() -> None:
        profile = Profile([(0, 0.55), (0, 1.0), (length, 1.0), (length, 0.45)], [(0.1,) * 3] * 3)
        draw_profile(pen, light, body, profile, (0.12, 0.12, 0.13))

    def cab() -> None:
        start = cargo_length + 0.25
        corners = [(start, 0.5), (start, 2.7), (length - 0.25, 2.7), (length, 1.6), (length, 0.5)]
        draw_profile(
            pen, light, body, Profile(corners, [cab_paint, cab_paint, _GLASS, cab_paint]), cab_paint
        )
        side = body.visible_side_w
        if side is not None:
            pane = [
                (start + 0.5, 1.6),
                (length - 0.2, 1.6),
                (length - 0.4, 2.4),
                (start + 0.5, 2.4),
            ]
            pen.fill([frame.polygon(pane, side)], _GLASS)

    def cargo() -> None:
        corners = [(0.0, 0.95), (0.0, top), (cargo_length, top), (cargo_length, 0.95)]
        draw_profile(pen, light, body, Profile(corners, [cargo_paint] * 3), cargo_paint)
        _cargo_trim(stage, pen, body, cargo_length, top)

    chassis()
    for part in (cab, cargo) if body.visible_end_u == 0.0 else (cargo, cab):
        part()
    _lamps(pen, body, 0.7, 0.2)
    _wheels(pen, body, (1.0, 2.1, length - 1.0), 0.5)


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
            pen.fill([stripe], stage.dice.tint(_CAR_PAINTS), level=level)
    if body.visible_end_u == 0.0:
        middle = body.width / 2
        joints = [frame.across(middle - 0.03, 1.0, middle + 0.03, top - 0.1)]
        joints += [frame.across(w, 1.0, w + 0.05, top - 0.1) for w in (0.08, body.width - 0.13)]
        pen.fill(joints, (0.25, 0.25, 0.25), level=body.end_level(stage.light))


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
        pen.fill(rects, _GLASS, level=level)
        pen.fill(doors, (0.28, 0.33, 0.38), level=level)
    if end is not None:
        level = body.end_level(light)
        pen.fill([frame.across(0.0, floor, width, floor + 0.5, end)], trim, level=level)
        pane = frame.across(0.18, top * 0.45, width - 0.18, top * 0.80, end)
        pen.fill([pane], _GLASS, level=level)
        sign = frame.across(0.5, top * 0.84, width - 0.5, top * 0.93, end)
        pen.fill([sign], (0.12, 0.10, 0.05))
        line = frame.across(0.8, top * 0.865, width - 0.8, top * 0.905, end)
        pen.fill([line], (1.0, 0.75, 0.2))


def bus(stage: Stage, frame: Frame) -> None:
    """A city bus in one strong colour."""
    dice = stage.dice
    body = Body(frame, dice.between(9.0, 12.0), 2.5)
    paint = dice.tint(_BUS_PAINTS)
    _ground_shadow(stage, body)
    pen = stage.pen(classes.BUS, frame.z)
    _tyres_from_behind(pen, body, (1.2, body.length - 1.2), 0.45)
    trim = (paint[0] * 0.6, paint[1] * 0.6, paint[2] * 0.6)
    _coach(stage, pen, body, dice.between(2.9, 3.3), 0.35, (paint, trim))
    _lamps(pen, body, 0.95, 0.22)
    _wheels(pen, body, (2.2, body.length - 2.6), 0.48)


def tram(stage: Stage, frame: Frame) -> None:
    """A pale tram with a coloured trim, a skirt instead of wheels, and a pantograph."""
    dice, light = stage.dice, stage.light
    length, top = dice.between(14.0, 22.0), 3.5
    body = Body(frame, length, 2.5)
    _ground_shadow(stage, body)
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
    _lamps(pen, body, 0.62, 0.2)
