"""Launches `tracing.cu`, the twin of the kernel in `masks/tracing.py`."""

from __future__ import annotations

from typing import Any

import numpy as np

from ssa_backend.cuda.device import THREADS, Device, Gpu, to_numpy
from ssa_backend.masks.growth import Axis, IntArray, Thresholds


def trace(
    logits: Any,
    columns: Axis,
    rows: Axis,
    thresholds: Thresholds,
    place: tuple[int, int, int],
    device: Device | None = None,
) -> tuple[IntArray, IntArray]:
    """Where masks begin and end.

    Args:
        logits: [N, size, size] float32, an array of the device.
        columns: of the crop.
        rows: of the crop.
        thresholds: what logits are compared with.
        place: column and row of the crop's first pixel in the image, and the image's rows.
        device: by default the GPU.

    Returns:
        edges: int64 [E], first and end of every run in turn, column-major flat indices, mask after
            mask.
        counts: int64 [N, 3], of each mask its edges, and its pixels above the lowest and above the
            highest threshold.
    """
    device = device or Gpu()
    xp = device.xp
    masks, size, _ = logits.shape
    width = len(columns.weights)
    n_edges, above = xp.zeros(masks * width, np.int32), xp.zeros((masks, 2), np.int32)
    first_of_column = np.repeat(np.arange(size - 2, dtype=np.int32), np.diff(columns.starts))
    arguments = (
        *(xp.ascontiguousarray(logits), np.int32(masks), np.int32(size)),
        *(xp.asarray(first_of_column), xp.asarray(columns.weights), np.int32(width)),
        *(xp.asarray(rows.starts.astype(np.int32)), xp.asarray(rows.weights)),
        *thresholds,
        *map(np.int64, place),
    )

    def launch(writing: int, offsets: Any, edges: Any) -> None:
        blocks = -(-masks * width // THREADS)
        if blocks:
            results = (np.int32(writing), n_edges, above, offsets, edges)
            device.launch("tracing", "trace", blocks, *arguments, *results)

    nothing = xp.zeros(1, np.int64)
    launch(0, nothing, nothing)
    ends = xp.cumsum(n_edges, dtype=np.int64)
    edges = xp.empty(int(ends[-1]) if masks else 0, np.int64)
    launch(1, ends - n_edges, edges)
    of_mask = n_edges.reshape(masks, width).sum(axis=1, dtype=np.int64)
    counts = xp.concatenate([of_mask[:, None], above.astype(np.int64)], axis=1)
    return _joined(to_numpy(edges), to_numpy(counts))


def _joined(edges: IntArray, counts: IntArray) -> tuple[IntArray, IntArray]:
    """Runs that go on at the top of the next column in one piece, as no thread can see them."""
    starts, ends = edges.reshape(-1, 2).T
    mask = np.repeat(np.arange(len(counts)), counts[:, 0] // 2)
    joined = np.flatnonzero((starts[1:] == ends[:-1]) & (mask[1:] == mask[:-1]))
    counts[:, 0] -= 2 * np.bincount(mask[joined], minlength=len(counts))
    runs = np.stack([np.delete(starts, joined + 1), np.delete(ends, joined)], axis=1)
    return runs.ravel(), counts
