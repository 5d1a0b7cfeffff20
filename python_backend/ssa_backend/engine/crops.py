"""The piece of the image that a network sees of a mask: its box, grown."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

# How much larger than the mask's box the crops are, as the original SSA takes them.
CAPTION_SCALE = 1.6  # for BLIP
CLIP_SCALE = 1.2
CLIPSEG_SCALE = 1.6


class Crop(NamedTuple):
    """A window of an image, and what is seen through it.

    Attributes:
        rgb: [h, w, 3] uint8, a view of the image.
        x0: its first column in the image.
        y0: its first row in the image.
    """

    rgb: npt.NDArray[np.uint8]
    x0: int
    y0: int


def scaled_crop(rgb: npt.NDArray[np.uint8], box_xywh: npt.NDArray[np.int32], scale: float) -> Crop:
    """The image around a box.

    Source: the original SSA's `mmcv.imcrop(img, (x, y, x + w, y + h), scale)`: both ends of the
    box count as inside, half of the growth goes to each side, what is not whole is cut off towards
    zero.

    Args:
        rgb: [H, W, 3] uint8.
        box_xywh: [4], as segment-anything gives it, its last pixel being at (x + w, y + h).
        scale: of the crop to the box, at least 1.
    """
    height, width = rgb.shape[:2]
    x, y, w, h = (int(value) for value in box_xywh)
    dx, dy = (w + 1) * (scale - 1) * 0.5, (h + 1) * (scale - 1) * 0.5
    x0, y0 = max(int(x - dx), 0), max(int(y - dy), 0)
    x1, y1 = min(int(x + w + dx), width - 1), min(int(y + h + dy), height - 1)
    return Crop(rgb[y0 : y1 + 1, x0 : x1 + 1], x0, y0)
