"""What a model sees of a scene: all of it or a crop, mirrored or not, at the model's size.

Pixels are resized and normalised exactly as at serving (`ssa_backend.images`). Labels are read at
pixel centres, since ids cannot be averaged.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt
from PIL import Image

from ssa_backend.settings import SamSettings

Box = tuple[int, int, int, int]

_MEAN: Final = np.asarray(SamSettings().mean, np.float32)
_STD: Final = np.asarray(SamSettings().std, np.float32)


def random_box(
    rng: np.random.Generator,
    size_hw: tuple[int, int],
    whole: float = 0.5,
    scales: tuple[float, float] = (0.4, 1.0),
    aspects: tuple[float, float] = (0.6, 2.2),
) -> Box:
    """A box (x0, y0, x1, y1), ends exclusive, to look at in an image of `size_hw` pixels.

    With probability `whole` the whole image; else a box whose area is the square of a number from
    `scales` of the image's and whose width over height comes from `aspects`, as far as it fits.
    """
    height, width = size_hw
    if rng.random() < whole:
        return 0, 0, width, height
    side = rng.uniform(*scales) * np.sqrt(height * width)
    stretch = np.exp(rng.uniform(*np.log(aspects)) / 2)
    box_width = min(int(side * stretch), width)
    box_height = min(int(side / stretch), height)
    x0 = int(rng.integers(width - box_width + 1))
    y0 = int(rng.integers(height - box_height + 1))
    return x0, y0, x0 + box_width, y0 + box_height


def view_pixels(
    image: npt.NDArray[np.uint8], box: Box, size_hw: tuple[int, int], mirrored: bool
) -> npt.NDArray[np.float32]:
    """The box of `image`, uint8 [H, W, 3], as a model's input: float32 [3, *size_hw]."""
    x0, y0, x1, y1 = box
    cut = Image.fromarray(image[y0:y1, x0:x1])
    resized = np.asarray(cut.resize(size_hw[::-1], Image.Resampling.BILINEAR), np.float32)
    pixels = (resized[:, ::-1] if mirrored else resized) - _MEAN
    pixels /= _STD
    return pixels.transpose(2, 0, 1)


def view_labels(
    labels: npt.NDArray[np.uint16], box: Box, size_hw: tuple[int, int], mirrored: bool
) -> npt.NDArray[np.int64]:
    """The box of `labels`, [H, W], nearest neighbour: int64 [*size_hw]."""
    x0, y0, x1, y1 = box
    rows = y0 + ((np.arange(size_hw[0]) + 0.5) * (y1 - y0) / size_hw[0]).astype(np.int64)
    columns = x0 + ((np.arange(size_hw[1]) + 0.5) * (x1 - x0) / size_hw[1]).astype(np.int64)
    if mirrored:
        columns = columns[::-1]
    seen: npt.NDArray[np.int64] = labels[np.ix_(rows, columns)].astype(np.int64)
    return seen
