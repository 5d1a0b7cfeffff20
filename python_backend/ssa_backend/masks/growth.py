"""How logits grow to pixels, and what they are compared with: what both tracing kernels take."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ssa_backend.interpolation import Taps

FloatArray = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int64]

# One step of interpolation reads two logits side by side, two steps read at most three: the first
# step never shrinks, so that what the second reads of it spans less than two logits.
_TAPS = 3


@dataclass(frozen=True)
class Axis:
    """How logits grow to pixels along one axis, both steps of it in one.

    Attributes:
        weights: float32 [length, 3], of the three logits side by side that each pixel is a mean of.
        starts: int64 [logits - 1]; the pixels from `starts[i]` to `starts[i + 1]` have logit `i` as
            the first of their three.
    """

    weights: FloatArray
    starts: IntArray

    @classmethod
    def of(cls, mask_size: int, image_size: int, unpadded: int, length: int) -> Axis:
        """From `mask_size` logits to the encoder's input, its padding off, to the crop's pixels.

        Args:
            mask_size: logits along the axis.
            image_size: side of the encoder's square, pixels.
            unpadded: how much of the square the crop covers, pixels.
            length: of the crop, pixels.
        """
        square, crop = Taps.of(image_size, mask_size), Taps.of(length, unpadded)
        first = np.minimum(square.low[crop.low], mask_size - _TAPS)
        weights = np.zeros((length, _TAPS), np.float32)
        pixels = np.arange(length)
        for middle, share in ((crop.low, 1 - crop.fraction), (crop.high, crop.fraction)):
            fraction = square.fraction[middle]
            # Borders repeat: there `high` is `low`, and its weight comes on top.
            weights[pixels, square.low[middle] - first] += share * (1 - fraction)
            weights[pixels, square.high[middle] - first] += share * fraction
        starts = np.searchsorted(first, np.arange(mask_size - _TAPS + 2))
        return cls(weights, starts)


class Thresholds(NamedTuple):
    """What a logit is compared with: the mask's own threshold, and two for its stability."""

    low: np.float32
    mask: np.float32
    high: np.float32

    @classmethod
    def around(cls, threshold: float, offset: float) -> Thresholds:
        """`threshold`, and lower and higher by `offset`, which is not negative."""
        return cls(*(np.float32(threshold + d) for d in (-offset, 0.0, offset)))
