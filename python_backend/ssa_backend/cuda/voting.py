"""Launches `voting.cu`, the twins of the functions of the same names in `ssa_backend.voting`.

Masks are gone through once, run by run, in maps laid out column by column. Everything counted is an
integer, so that the results equal NumPy's to the last vote.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ssa_backend.cuda.device import THREADS, Device, Gpu, to_numpy
from ssa_backend.interpolation import Taps
from ssa_backend.rle import Runs


@dataclass(frozen=True)
class FlatRuns:
    """The runs of N masks in one table, int64.

    Attributes:
        starts: [R].
        lengths: [R].
        first_run: [N + 1].
    """

    starts: npt.NDArray[np.int64]
    lengths: npt.NDArray[np.int64]
    first_run: npt.NDArray[np.int64]

    @classmethod
    def of(cls, masks: Sequence[Runs]) -> FlatRuns:
        """Put the runs of all masks behind each other."""
        runs = list(masks)
        none = np.zeros(0, np.int64)
        return cls(
            np.concatenate([none, *(mask.starts for mask in runs)]),
            np.concatenate([none, *(mask.lengths for mask in runs)]),
            np.cumsum([0, *(len(mask.starts) for mask in runs)], dtype=np.int64),
        )

    def on(self, device: Device) -> tuple[Any, ...]:
        """The three, as arrays of the device."""
        return tuple(map(device.xp.asarray, (self.starts, self.lengths, self.first_run)))


def class_map(logits: Any, rows: Taps, columns: Taps, device: Device | None = None) -> Any:
    """The class of every pixel.

    Args:
        logits: [K, h, w] float32, an array of the device.
        rows: of the image, along the logits' rows.
        columns: of the image.
        device: by default the GPU.

    Returns:
        [H, W] uint16, an array of the device, laid out column by column.
    """
    device = device or Gpu()
    xp = device.xp
    height, width = len(rows.low), len(columns.low)
    by_column = xp.empty((width, height), np.uint16)
    device.launch(
        *("voting", "classes", -(-width * height // THREADS)),
        *(xp.ascontiguousarray(logits), *map(np.int32, logits.shape)),
        *(*_taps(rows, xp), np.int32(height)),
        *(*_taps(columns, xp), np.int32(width)),
        by_column,
    )
    return by_column.T


def _taps(taps: Taps, xp: Any) -> tuple[Any, ...]:
    low, high = taps.low.astype(np.int32), taps.high.astype(np.int32)
    return xp.asarray(low), xp.asarray(high), xp.asarray(taps.fraction)


def count_votes(
    branch_map: Any, masks: Sequence[Runs], classes: int, device: Device | None = None
) -> npt.NDArray[np.int64]:
    """See `ssa_backend.voting.count_votes`; `branch_map` is an array of the device."""
    device = device or Gpu()
    votes = device.xp.zeros((len(masks), classes), np.int32)
    if len(masks):
        by_column = device.xp.ascontiguousarray(branch_map.T)
        runs = FlatRuns.of(masks).on(device)
        shared = classes * votes.itemsize
        arguments = (by_column, *runs, np.int32(classes), votes)
        device.launch("voting", "vote", len(masks), *arguments, shared=shared)
    counted: npt.NDArray[np.int64] = to_numpy(votes).astype(np.int64)
    return counted


def top_masks(size_hw: tuple[int, int], masks: Sequence[Runs], device: Device | None = None) -> Any:
    """See `ssa_backend.voting.top_masks`; an array of the device."""
    device = device or Gpu()
    height, width = size_hw
    top = device.xp.full((width, height), -1, np.int32)
    if len(masks):
        device.launch("voting", "top", len(masks), *FlatRuns.of(masks).on(device), top)
    return top.T


def paint(
    branch_map: Any, top: Any, lookup: npt.NDArray[np.uint16], device: Device | None = None
) -> Any:
    """See `ssa_backend.voting.paint`; `lookup` has an entry more, which -1 picks."""
    xp = (device or Gpu()).xp
    return xp.where(top >= 0, xp.asarray(lookup)[top], branch_map)
