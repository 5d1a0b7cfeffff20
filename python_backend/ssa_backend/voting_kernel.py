"""The CuPy twins of `voting.count_votes` and `voting.top_masks`.

The kernels go through each mask's pixels once, run by run, in maps laid out column by column:
neighbouring threads have neighbouring pixels. Everything counted is an integer, so the results
equal NumPy's to the last vote.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from ssa_backend.rle import Runs

THREADS = 256

# One block a mask; a warp takes a run, its lanes the pixels. `vote` counts in shared memory. With
# `top` each pixel remembers the last mask (the smallest, as masks come by area) that covers it.
SOURCE = r"""
extern "C" __global__ void vote(
    const unsigned short* by_column,  // [W * H] class ids, column by column
    const long long* starts,          // [R] first pixel of each run
    const long long* lengths,         // [R]
    const long long* first_run,       // [N + 1] runs of mask i: first_run[i] .. first_run[i + 1]
    const int classes,
    int* votes)                       // [N, classes]
{
    extern __shared__ int counts[];
    const int mask = blockIdx.x;
    for (int k = threadIdx.x; k < classes; k += blockDim.x) counts[k] = 0;
    __syncthreads();

    const int lane = threadIdx.x % 32;
    const int warps = blockDim.x / 32;
    const long long end = first_run[mask + 1];
    for (long long run = first_run[mask] + threadIdx.x / 32; run < end; run += warps) {
        for (long long i = lane; i < lengths[run]; i += 32) {
            atomicAdd(&counts[by_column[starts[run] + i]], 1);
        }
    }
    __syncthreads();
    for (int k = threadIdx.x; k < classes; k += blockDim.x) {
        votes[(long long)mask * classes + k] = counts[k];
    }
}

extern "C" __global__ void top(
    const long long* starts,
    const long long* lengths,
    const long long* first_run,
    int* top_mask)                    // [W * H] last mask over each pixel, -1 for none
{
    const int mask = blockIdx.x;
    const int lane = threadIdx.x % 32;
    const int warps = blockDim.x / 32;
    const long long end = first_run[mask + 1];
    for (long long run = first_run[mask] + threadIdx.x / 32; run < end; run += warps) {
        for (long long i = lane; i < lengths[run]; i += 32) {
            atomicMax(&top_mask[starts[run] + i], mask);
        }
    }
}
"""


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
        none = np.zeros(0, np.int64)
        return cls(
            np.concatenate([none, *(runs.starts for runs in masks)]),
            np.concatenate([none, *(runs.lengths for runs in masks)]),
            np.cumsum([0, *(len(runs.starts) for runs in masks)], dtype=np.int64),
        )


def count_votes(branch_map: Any, masks: Sequence[Runs], classes: int) -> npt.NDArray[np.int64]:
    """See `voting.count_votes`; `branch_map` is a CuPy array."""
    import cupy

    by_column = cupy.ascontiguousarray(branch_map.T)
    votes = cupy.zeros((len(masks), classes), cupy.int32)
    if masks:
        arguments = (by_column, *_on_device(masks), np.int32(classes), votes)
        shared_bytes = classes * votes.itemsize
        _kernel("vote")((len(masks),), (THREADS,), arguments, shared_mem=shared_bytes)
    counted: npt.NDArray[np.int64] = votes.get().astype(np.int64)
    return counted


def top_masks(size_hw: tuple[int, int], masks: Sequence[Runs]) -> Any:
    """See `voting.top_masks`; a CuPy array."""
    import cupy

    height, width = size_hw
    top = cupy.full((width, height), -1, cupy.int32)
    if masks:
        _kernel("top")((len(masks),), (THREADS,), (*_on_device(masks), top))
    return top.T


def _on_device(masks: Sequence[Runs]) -> tuple[Any, ...]:
    import cupy

    runs = FlatRuns.of(masks)
    return tuple(map(cupy.asarray, (runs.starts, runs.lengths, runs.first_run)))


@cache
def _kernel(name: str) -> Any:
    import cupy

    return cupy.RawKernel(SOURCE, name)
