"""Time of day, weather, and what the camera makes of the light."""

import math

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFilter

from ssa_export.scenes.canvas import Canvas
from ssa_export.scenes.dice import RGB, Dice
from ssa_export.scenes.geometry import Floats
from ssa_export.scenes.ground import Weather
from ssa_export.scenes.stage import Light

_MOODS: dict[str, tuple[RGB, RGB, RGB, RGB]] = {
    # zenith, horizon, cloud, light
    "clear": ((0.30, 0.52, 0.85), (0.74, 0.85, 0.95), (0.97, 0.97, 0.98), (1.02, 1.0, 0.97)),
    "overcast": ((0.68, 0.72, 0.77), (0.82, 0.84, 0.86), (0.90, 0.91, 0.93), (0.93, 0.95, 0.98)),
    "evening": ((0.42, 0.46, 0.70), (0.96, 0.78, 0.58), (0.98, 0.82, 0.72), (1.03, 0.93, 0.80)),
    "haze": ((0.66, 0.75, 0.84), (0.86, 0.87, 0.87), (0.92, 0.92, 0.92), (0.98, 0.97, 0.95)),
}


def draw_weather(dice: Dice) -> tuple[Weather, Light]:
    """A sky and the light that goes with it."""
    mood = dice.weighted({"clear": 0.5, "overcast": 0.22, "evening": 0.16, "haze": 0.12})
    zenith, horizon, cloud, rgb = _MOODS[mood]
    azimuth, elevation = dice.between(0.0, 2 * math.pi), dice.between(0.5, 1.0)
    flat = mood in ("overcast", "haze")
    ambient = 0.78 if flat else 0.62
    light = Light(
        towards_sun=(
            math.cos(elevation) * math.cos(azimuth),
            math.sin(elevation),
            math.cos(elevation) * math.sin(azimuth),
        ),
        ambient=ambient * dice.between(0.95, 1.1),
        sun=0.22 if flat else 0.5,
        rgb=rgb,
        haze_rgb=horizon,
        haze_distance_m=dice.between(70, 130) if mood == "haze" else dice.between(180, 500),
    )
    cloudiness = {"overcast": 0.9, "haze": 0.5}.get(mood, dice.between(0.1, 0.65))
    return Weather(zenith, horizon, cloud, cloudiness), light


def outline(canvas: Canvas, strength: float) -> None:
    """Darken the pixels where one instance meets another, as contact shadows do in a street.

    Without it, neighbours of like colour would have an edge in the labels and none to be seen.
    """
    ids = canvas.instance_map
    edge = np.zeros(ids.shape, dtype=bool)
    across, down = ids[:, 1:] != ids[:, :-1], ids[1:] != ids[:-1]
    edge[:, 1:] |= across
    edge[:, :-1] |= across
    edge[1:] |= down
    edge[:-1] |= down
    canvas.image[edge] *= np.float32(1.0 - strength)


def photograph(canvas: Canvas, dice: Dice) -> npt.NDArray[np.uint8]:
    """Lens and sensor: vignetting, a slight blur, a colour cast, noise. [H, W, 3] uint8."""
    height, width = canvas.size_hw
    exposure, cast = dice.between(0.88, 1.1), dice.between(-0.05, 0.05)
    strength, blur = dice.between(0.05, 0.28), dice.between(0.2, 0.75)
    y = np.linspace(-1, 1, height, dtype=np.float32)[:, None]
    x = np.linspace(-1, 1, width, dtype=np.float32)[None, :]
    vignette = 1 - np.float32(strength * 0.5) * (x * x + y * y)
    gains = np.array([exposure * (1 + cast), exposure, exposure * (1 - cast)], dtype=np.float32)
    image: Floats = canvas.image * vignette[..., None] * (gains * 255)
    sharp = Image.fromarray(np.clip(image, 0, 255).astype(np.uint8))
    soft = sharp.filter(ImageFilter.GaussianBlur(blur * height / 480))
    noise = dice.field((height, width, 3)) - dice.field((height, width, 1))
    noisy = np.asarray(soft, dtype=np.float32) + noise * np.float32(dice.between(3.0, 14.0)) + 0.5
    return np.clip(noisy, 0, 255).astype(np.uint8)
