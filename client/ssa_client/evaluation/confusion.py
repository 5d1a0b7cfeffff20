"""Counts of what was called what, and the figures that mmsegmentation makes of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

IGNORE = 255
"""In a truth map: this pixel counts for nothing."""


def confusion_matrix(
    truth: npt.NDArray[np.integer[Any]], predicted: npt.NDArray[np.integer[Any]], classes: int
) -> npt.NDArray[np.int64]:
    """How many pixels of class i were called j: int64 [K, K].

    Args:
        truth: [H, W] class ids from 0 to K - 1, and `IGNORE`.
        predicted: [H, W] class ids from 0 to K - 1.
        classes: K.

    Raises:
        ValueError: the maps differ in size, or an id is not below K.
    """
    if truth.shape != predicted.shape:
        raise ValueError(f"it is {predicted.shape} pixels; expected {truth.shape}, height first.")
    counted = truth != IGNORE
    pairs = np.stack([truth[counted], predicted[counted]]).astype(np.int64)
    if pairs.size and not 0 <= pairs.min() <= pairs.max() < classes:
        raise ValueError(f"ids {pairs.min()} to {pairs.max()}; expected 0 to {classes - 1}.")
    return np.bincount(pairs[0] * classes + pairs[1], minlength=classes**2).reshape(
        classes, classes
    )


@dataclass(frozen=True)
class Scores:
    """Figures of a confusion matrix as mmsegmentation defines them (`IoUMetric`), from 0 to 1.

    A class that neither the truth nor the prediction has is nan and left out of `miou`; one that
    the truth does not have is nan in `accuracy` and left out of `mean_accuracy`. All are nan where
    no pixel was counted.
    """

    iou: npt.NDArray[np.float64]  # [K] intersection over union
    accuracy: npt.NDArray[np.float64]  # [K] share of the class's own pixels that were found
    miou: float
    mean_accuracy: float
    pixel_accuracy: float

    @classmethod
    def of(cls, matrix: npt.NDArray[np.int64]) -> Scores:
        """The figures of `matrix`, [K, K] pixels of true class i that were called j."""
        hits = np.diag(matrix)
        true, called = matrix.sum(axis=1), matrix.sum(axis=0)
        iou = _ratio(hits, true + called - hits)
        accuracy = _ratio(hits, true)
        return cls(
            iou=iou,
            accuracy=accuracy,
            miou=_mean(iou),
            mean_accuracy=_mean(accuracy),
            pixel_accuracy=float(_ratio(hits.sum(), true.sum())),
        )


def _ratio(part: npt.ArrayLike, whole: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """`part / whole`, nan where there is nothing to divide by."""
    whole = np.asarray(whole, np.float64)
    nothing = np.full(whole.shape, np.nan)
    return np.divide(part, whole, out=nothing, where=whole > 0)


def _mean(values: npt.NDArray[np.float64]) -> float:
    """The mean of what is not nan; NumPy's own warns where that is nothing."""
    known = values[~np.isnan(values)]
    return float(known.mean()) if known.size else float("nan")
