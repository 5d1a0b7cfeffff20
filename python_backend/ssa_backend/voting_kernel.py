"""The CuPy twin of `voting.count_votes`.

The kernel reads each mask's pixels once, run by run, out of the class map laid out column by
column: neighbouring threads read neighbouring pixels. Everything counted is an integer, so the
result equals NumPy's to the last vote.
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

# One block a mask. Its votes are counted in shared memory, and each pixel remembers the last mask
# (the smallest, as masks come by area) that covers it. A warp takes a run, its lanes the pixels.
SOURCE = r"""
extern "C" __global__ void vote(
    const unsigned short* by_column,  // [W * H] class ids, column by column
    const long long* starts,          // [R] first pixel of each run
    const long long* lengths,         // [R]
    const long long* first_run,       // [N + 1] runs of mask i: first_run[i] .. first_run[i + 1]
    const int classes,
    int* votes,                       // [N, classes]
    int* owner)                       // [W * H] last mask over each pixel, -1 for none
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
            const long long pixel = starts[run] + i;
            atomicAdd(&counts[by_column[pixel]], 1);
            atomicMax(&owner[pixel], mask);
        }
    }
    __syncthreads();
    for (int k = threadIdx.x; k < classes; k += blockDim.x) {
        votes[(long long)mask * classes + k] = counts[k];
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


@cache
def _kernel() -> Any:
    import cupy

    return cupy.RawKernel(SOURCE, "vote")


def count_votes(
    branch_map: Any, masks: Sequence[Runs], classes: int
) -> tuple[npt.NDArray[np.int64], Any]:
    """See `voting.count_votes`; `branch_map` and the returned owner map are CuPy arrays."""
    import cupy

    height, width = branch_map.shape
    by_column = cupy.ascontiguousarray(branch_map.T)
    owner = cupy.full((width, height), -1, cupy.int32)
    votes = cupy.zeros((len(masks), classes), cupy.int32)
    if masks:
        runs = FlatRuns.of(masks)
        arguments = (
            by_column,
            cupy.asarray(runs.starts),
            cupy.asarray(runs.lengths),
            cupy.asarray(runs.first_run),
            np.int32(classes),
            votes,
            owner,
        )
        shared_bytes = classes * votes.itemsize
        _kernel()((len(masks),), (THREADS,), arguments, shared_mem=shared_bytes)
    return votes.get().astype(np.int64), owner.T
