"""The piece of the image that a network sees of a mask: its box, grown."""

from __future__ import annotations

from typing import NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

D = TypeVar("D", bound=np.generic)

# How much larger than the mask's box the crops are, as the original SSA takes them.
CAPTION_SCALE = 1.6  # for BLIP
CLIP_SCALE = 1.2
CLIPSEG_SCALE = 1.6


class Window(NamedTuple):
    """A rectangle of an image, in pixels; its ends, as Pillow's `crop` has them, lie outside."""

    x0: int
    y0: int
    x1: int
    y1: int

    @property
    def size_hw(self) -> tuple[int, int]:
        """Height and width."""
        return self.y1 - self.y0, self.x1 - self.x0

    def of(self, image: npt.NDArray[D]) -> npt.NDArray[D]:
        """A view of [H, W, ...] through the window."""
        return image[self.y0 : self.y1, self.x0 : self.x1]


def scaled_window(
    size_hw: tuple[int, ...], box_xywh: npt.NDArray[np.int32], scale: float
) -> Window:
    """The surroundings of a box.

    Source: the original SSA's `mmcv.imcrop(img, (x, y, x + w, y + h), scale)`: both ends of the
    box count as inside, half of the growth goes to each side, what is not whole is cut off towards
    zero.

    Args:
        size_hw: height and width of the image.
        box_xywh: [4], as segment-anything gives it, its last pixel being at (x + w, y + h).
        scale: of the window to the box, at least 1.
    """
    height, width = size_hw
    x, y, w, h = (int(value) for value in box_xywh)
    dx, dy = (w + 1) * (scale - 1) * 0.5, (h + 1) * (scale - 1) * 0.5
    x0, y0 = max(int(x - dx), 0), max(int(y - dy), 0)
    x1, y1 = min(int(x + w + dx), width - 1), min(int(y + h + dy), height - 1)
    return Window(x0, y0, x1 + 1, y1 + 1)
