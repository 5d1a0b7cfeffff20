"""Bilinear interpolation along one axis."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class Taps:
    """Bilinear interpolation along one axis.

    Attributes:
        low: int64 [n], the first input that each output lies between.
        high: int64 [n], the second.
        fraction: float32 [n], how far it is from the first to the second.
    """

    low: npt.NDArray[np.int64]
    high: npt.NDArray[np.int64]
    fraction: npt.NDArray[np.float32]

    @classmethod
    def of(
        cls,
        length: int,
        low_length: int,
        wanted: slice = slice(None),
        align_corners: bool = False,
    ) -> Taps:
        """For some of `length` outputs from `low_length` inputs, in float32 as torch computes it.

        Source: `torch.nn.functional.interpolate(mode="bilinear")`, which does not antialias.

        Args:
            length: outputs in all.
            low_length: inputs.
            wanted: which of the outputs.
            align_corners: True where the first and the last of both lie on each other, False where
                their borders do.
        """
        position = np.arange(length, dtype=np.float32)[wanted]
        if align_corners:
            position = position * np.float32((low_length - 1) / max(length - 1, 1))
        else:
            position = (position + np.float32(0.5)) * np.float32(low_length / length)
            position = (position - np.float32(0.5)).clip(0)
        low = np.minimum(position.astype(np.int64), low_length - 1)
        return cls(low, np.minimum(low + 1, low_length - 1), position - low.astype(np.float32))

    def matrix(self, low_length: int) -> npt.NDArray[np.float32]:
        """The same as a matrix [low_length, n], so that a product applies it."""
        matrix = np.zeros((low_length, len(self.low)), np.float32)
        column = np.arange(len(self.low))
        matrix[self.low, column] = 1 - self.fraction
        matrix[self.high, column] += self.fraction
        return matrix
