"""What cars, trucks, buses and trams have in common."""

from ssa_export.scenes.canvas import Pen
from ssa_export.scenes.dice import RGB
from ssa_export.scenes.geometry import Polygon
from ssa_export.scenes.objects.solids import Body
from ssa_export.scenes.stage import Stage

GLASS: RGB = (0.16, 0.22, 0.28)
CAR_PAINTS: tuple[RGB, ...] = (
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

_TYRE: RGB = (0.06, 0.06, 0.07)
_RIM: RGB = (0.62, 0.63, 0.66)


def wheels(pen: Pen, body: Body, us: tuple[float, ...], radius: float) -> None:
    """Wheels at each of `us` on the side that the camera sees."""
    w = body.visible_side_w
    if w is None:
        return
    frame = body.frame
    pen.fill([frame.disc(u, radius, radius, w) for u in us], _TYRE)
    pen.fill([frame.disc(u, radius, radius * 0.58, w) for u in us], _RIM)
    pen.fill([frame.disc(u, radius, radius * 0.2, w) for u in us], (0.2, 0.2, 0.22))


def tyres_from_behind(pen: Pen, body: Body, us: tuple[float, ...], radius: float) -> None:
    """What shows of the tyres below a body; paint it before the body."""
    frame, width = body.frame, body.width
    rects = []
    for u in us:
        rects.append(frame.across(0.05, 0.0, 0.32, radius * 1.6, u))
        rects.append(frame.across(width - 0.32, 0.0, width - 0.05, radius * 1.6, u))
    pen.fill(rects, _TYRE)


def lamps(pen: Pen, body: Body, v: float, size: float) -> None:
    """Tail or head lamps, and a number plate."""
    u = body.visible_end_u
    if u is None:
        return
    frame, width = body.frame, body.width
    colour: RGB = (0.85, 0.10, 0.08) if u == 0.0 else (1.0, 0.98, 0.85)
    pair = [
        frame.across(0.08, v, 0.08 + 1.5 * size, v + size, u),
        frame.across(width - 0.08 - 1.5 * size, v, width - 0.08, v + size, u),
    ]
    pen.fill(pair, colour)
    middle = width / 2
    pen.fill([frame.across(middle - 0.26, 0.5, middle + 0.26, 0.62, u)], (0.92, 0.92, 0.86))


def ground_shadow(stage: Stage, body: Body) -> None:
    """The dark patch below a vehicle."""
    frame = body.frame
    outline = [(-0.2, -0.2), (body.length + 0.2, -0.2)]
    outline += [(body.length + 0.2, body.width + 0.2), (-0.2, body.width + 0.2)]
    polygon: Polygon = [frame.point(u, 0.0, w) for u, w in outline]
    stage.canvas.paint([polygon], (0.03, 0.03, 0.04), instance=None, opacity=0.65)
