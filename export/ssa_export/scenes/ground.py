"""Sky and ground: the stuff that everything else stands in front of."""

from dataclasses import dataclass

import numpy as np

from ssa_export.scenes import classes
from ssa_export.scenes.canvas import Pen
from ssa_export.scenes.dice import RGB
from ssa_export.scenes.geometry import Floats, Polygon
from ssa_export.scenes.stage import Stage
from ssa_export.scenes.textures import slabs, times

_FAR_M = 400.0

_GRASSES: tuple[RGB, ...] = ((0.42, 0.56, 0.22), (0.50, 0.56, 0.26), (0.36, 0.50, 0.20))
_ASPHALTS: tuple[RGB, ...] = ((0.30, 0.30, 0.32), (0.24, 0.24, 0.26), (0.36, 0.35, 0.35))
_PAVINGS: tuple[RGB, ...] = ((0.62, 0.58, 0.54), (0.66, 0.54, 0.48), (0.56, 0.57, 0.60))


@dataclass(frozen=True)
class Weather:
    """What the sky looks like."""

    zenith: RGB
    horizon: RGB
    cloud: RGB
    cloudiness: float
    """0: none, 1: overcast."""


def sky(stage: Stage, weather: Weather) -> None:
    """The whole picture; everything else is painted over it."""
    height, width = stage.canvas.size_hw
    wide, fine = stage.noise.pixels(40), stage.noise.pixels(10)
    horizon_y = stage.camera.horizon_y
    zenith, horizon, cloud = (
        np.array(colour, dtype=np.float32)
        for colour in (weather.zenith, weather.horizon, weather.cloud)
    )

    def texture(ys: Floats, xs: Floats) -> Floats:
        down = np.clip(ys / horizon_y, 0.0, 1.0)[..., None]
        gradient = zenith + (horizon - zenith) * down**1.3
        # Clouds are wider than tall: squeeze x before looking up the noise.
        puffs = wide(ys, xs * 0.45) + 0.45 * fine(ys, xs * 0.6)
        cover = np.clip(puffs * 0.8 + weather.cloudiness * 1.6 - 0.8, 0.0, 1.0)[..., None]
        blended: Floats = gradient + (cloud - gradient) * cover * (1 - 0.5 * down)
        return blended

    whole = [(0.0, 0.0), (width, 0.0), (width, height), (0.0, height)]
    pen = Pen(stage.canvas, stage.canvas.new_instance(classes.SKY), 0.0, (1, 1, 1), (1, 1, 1))
    pen.fill([whole], (1.0, 1.0, 1.0), texture=texture)


def strip(stage: Stage, x0: float, x1: float, z0: float, z1: float) -> Polygon:
    """A rectangle of ground as a polygon in pixels, cut off where the picture ends."""
    near = max(z0, stage.camera.nearest_ground_m)
    far = min(z1, _FAR_M)
    return stage.camera.ground([(x0, near), (x1, near), (x1, far), (x0, far)])


def _ground_pen(stage: Stage, class_id: int, z0: float) -> Pen:
    """Haze is one number per pen: take it where most of a ground strip's pixels are."""
    return stage.pen(class_id, max(z0, 6.0))


def terrain(stage: Stage, x0: float, x1: float, z0: float, z1: float) -> None:
    """Grass."""
    pen = _ground_pen(stage, classes.TERRAIN, z0)
    texture = stage.noise.mottled((1, 0.10), (3, 0.16), (40, 0.18))
    polygon = strip(stage, x0, x1, z0, z1)
    pen.fill([polygon], stage.dice.tint(_GRASSES, 0.04), texture=texture, level=0.95)


def sidewalk(stage: Stage, x0: float, x1: float, z0: float, z1: float) -> None:
    """Paving slabs between two kerbs."""
    pen = _ground_pen(stage, classes.SIDEWALK, z0)
    size = stage.dice.between(0.7, 1.3)
    mottle = stage.noise.mottled((1, 0.05), (10, 0.06), (40, 0.06))
    texture = times(mottle, slabs(stage.camera, size, 0.28))
    pen.fill([strip(stage, x0, x1, z0, z1)], stage.dice.tint(_PAVINGS, 0.04), texture=texture)
    kerb = 0.22
    kerbs = [strip(stage, x0, x0 + kerb, z0, z1), strip(stage, x1 - kerb, x1, z0, z1)]
    if x1 - x0 > z1 - z0:  # runs across the view
        kerbs = [strip(stage, x0, x1, z0, z0 + kerb), strip(stage, x0, x1, z1 - kerb, z1)]
    pen.fill(kerbs, (0.80, 0.79, 0.77))


def road(stage: Stage, x0: float, x1: float, z0: float, z1: float) -> Pen:
    """Asphalt; the pen that comes back paints markings on it."""
    pen = _ground_pen(stage, classes.ROAD, z0)
    texture = stage.noise.mottled((1, 0.13), (3, 0.06), (40, 0.10))
    polygon = strip(stage, x0, x1, z0, z1)
    pen.fill([polygon], stage.dice.tint(_ASPHALTS, 0.02), texture=texture)
    return pen


_MARKING: RGB = (0.90, 0.90, 0.87)


def lane_lines(stage: Stage, pen: Pen, xs: list[float], edges: list[float]) -> None:
    """Dashes along the street at each of `xs`, unbroken lines at each of `edges`."""
    phase = stage.dice.between(0.0, 6.0)
    dashes = [
        strip(stage, x - 0.08, x + 0.08, z, z + 3.0)
        for x in xs
        for z in (phase + 6.0 * k for k in range(14))
        if z + 3.0 > stage.camera.nearest_ground_m
    ]
    lines = [strip(stage, x - 0.07, x + 0.07, 0.0, 150.0) for x in edges]
    if dashes or lines:
        pen.fill(dashes + lines, _MARKING, opacity=0.9)


def crossing(stage: Stage, pen: Pen, x0: float, x1: float, z: float) -> None:
    """A zebra crossing over the street."""
    count = int((x1 - x0) / 1.0)
    bars = [strip(stage, x0 + k + 0.25, x0 + k + 0.75, z, z + 3.0) for k in range(count)]
    if bars:
        pen.fill(bars, _MARKING, opacity=0.9)


def lane_lines_across(stage: Stage, pen: Pen, z: float) -> None:
    """Dashes of a street that runs across the view."""
    start = stage.dice.between(-32.0, -30.0)
    dashes = [strip(stage, x, x + 2.0, z, z + 0.18) for x in (start + 4.0 * k for k in range(17))]
    pen.fill(dashes, _MARKING, opacity=0.9)


def rails(stage: Stage, pen: Pen, extents: list[tuple[float, float, float, float]]) -> None:
    """Tram rails: thin dark strips (x0, x1, z0, z1) in the road, in metres."""
    strips = [strip(stage, *extent) for extent in extents]
    pen.fill(strips, (0.12, 0.12, 0.13))
