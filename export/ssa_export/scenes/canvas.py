"""Painting polygons into a picture and into its labels at the same time."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from ssa_export.scenes.dice import RGB
from ssa_export.scenes.geometry import Floats, Polygon

Texture = Callable[[Floats, Floats], Floats]
"""From pixel rows [h, 1] and columns [1, w] to brightness [h, w] or colour [h, w, 3] factors."""

# Odd, so that one of a pixel's samples lies in its centre: that one decides the label, while all
# of them together give the picture's soft edge.
_SAMPLES = 3


class Canvas:
    """A picture under construction; later paint covers earlier paint."""

    def __init__(self, size_hw: tuple[int, int]) -> None:
        height, width = size_hw
        self.size_hw = size_hw
        self.image: Floats = np.zeros((height, width, 3), dtype=np.float32)
        self.instance_map: npt.NDArray[np.int32] = np.zeros(size_hw, dtype=np.int32)
        self.class_ids: list[int] = []

    def new_instance(self, class_id: int) -> int:
        """Register an instance of a Cityscapes class, with nothing painted yet; returns its id."""
        self.class_ids.append(class_id)
        return len(self.class_ids) - 1

    def paint(
        self,
        polygons: Sequence[Polygon],
        colour: RGB,
        *,
        instance: int | None,
        texture: Texture | None = None,
        opacity: float = 1.0,
    ) -> None:
        """Cover the union of `polygons` (pixels). Without an instance, labels stay as they are."""
        height, width = self.size_hw
        xs = [x for polygon in polygons for x, _ in polygon]
        ys = [y for polygon in polygons for _, y in polygon]
        left, right = max(int(min(xs)) - 1, 0), min(int(max(xs)) + 2, width)
        top, bottom = max(int(min(ys)) - 1, 0), min(int(max(ys)) + 2, height)
        if left >= right or top >= bottom:
            return

        samples = Image.new("L", ((right - left) * _SAMPLES, (bottom - top) * _SAMPLES))
        draw = ImageDraw.Draw(samples)
        for polygon in polygons:
            # Pillow's whole coordinates are sample centres, ours are sample corners. It also fills
            # every sample that the outline touches: shapes come out a fraction of a sample larger,
            # in the picture and the labels alike.
            draw.polygon(
                [((x - left) * _SAMPLES - 0.5, (y - top) * _SAMPLES - 0.5) for x, y in polygon],
                fill=255,
            )
        window = np.s_[top:bottom, left:right]
        if instance is not None:
            middle = _SAMPLES // 2
            centres = np.asarray(samples)[middle::_SAMPLES, middle::_SAMPLES] > 0
            self.instance_map[window][centres] = instance

        cover = np.asarray(samples.reduce(_SAMPLES), dtype=np.float32) * (opacity / 255)
        rgb = np.array(colour, dtype=np.float32)
        if texture is not None:
            factors = texture(
                np.arange(top, bottom, dtype=np.float32)[:, None] + 0.5,
                np.arange(left, right, dtype=np.float32)[None, :] + 0.5,
            )
            rgb = rgb * (factors if factors.ndim == 3 else factors[..., None])
        region = self.image[window]
        region += (rgb - region) * cover[..., None]


@dataclass(frozen=True)
class Pen:
    """Paints the parts of one instance, seen through some haze."""

    canvas: Canvas
    instance: int
    haze: float
    """0: clear, 1: nothing but haze."""
    haze_rgb: RGB
    light_rgb: RGB

    def fill(
        self,
        polygons: Sequence[Polygon],
        colour: RGB,
        *,
        texture: Texture | None = None,
        opacity: float = 1.0,
        level: float = 1.0,
    ) -> None:
        """Paint the union of `polygons`; `level` is how much light falls on it."""
        red, green, blue = (
            own * level * light * (1 - self.haze) + veil * self.haze
            for own, light, veil in zip(colour, self.light_rgb, self.haze_rgb, strict=True)
        )
        self.canvas.paint(
            polygons,
            (red, green, blue),
            instance=self.instance,
            texture=texture,
            opacity=opacity,
        )
