"""The CUDA kernel's own source, compiled for the CPU, and on a GPU where there is one."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from ssa_backend import voting
from ssa_backend.rle import Runs, runs_of_mask
from ssa_backend.voting_kernel import SOURCE, THREADS, FlatRuns
from tests.unit.backend.random_masks import random_masks

HERE = Path(__file__).parent
FLAGS = ("-std=c++17", "-O1", "-Wall", "-shared", "-fPIC", "-pthread")
CLASSES = 11
NO_PIXELS = Runs(np.zeros(0, np.int64), np.zeros(0, np.int64))

Counts = tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]


def gpu_missing() -> str:
    """Why there is no CuPy to compare with; empty where there is."""
    try:
        import cupy

        cupy.cuda.runtime.getDeviceCount()
    except ImportError:
        return "CuPy is not installed"
    except Exception as error:  # CuPy without a driver
        return f"CuPy finds no GPU: {error}"
    return ""


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    """The kernel between a header that stands in for CUDA and one that launches it."""
    compiler = shutil.which("g++")
    if compiler is None:
        pytest.skip("g++ is not installed: the CUDA source cannot be compiled for the CPU")
    folder = tmp_path_factory.mktemp("kernel")
    source, library = folder / "vote.cpp", folder / "vote.so"
    source.write_text(f'#include "cuda_shim.h"\n{SOURCE}\n#include "cuda_launch.h"\n')
    subprocess.run(
        [compiler, *FLAGS, f"-I{HERE}", str(source), "-o", str(library)],
        check=True,
    )
    return ctypes.CDLL(str(library))


def on_the_cpu(
    library: ctypes.CDLL,
    threads: int,
    branch: npt.NDArray[np.uint16],
    masks: list[Runs],
) -> Counts:
    """As `voting_kernel.count_votes` and `top_masks`, with every array NumPy's."""
    by_column = np.ascontiguousarray(branch.T)
    runs = FlatRuns.of(masks)
    votes = np.full((len(masks), CLASSES), 12345, np.int32)
    top = np.full(by_column.shape, -1, np.int32)
    grid = [ctypes.c_uint(n) for n in (len(masks), threads)]
    flat = [pointer(array) for array in (runs.starts, runs.lengths, runs.first_run)]
    library.launch_vote(*grid, pointer(by_column), *flat, ctypes.c_int(CLASSES), pointer(votes))
    library.launch_top(*grid, *flat, pointer(top))
    return votes, top.T


def pointer(array: npt.NDArray[Any]) -> ctypes.c_void_p:
    return ctypes.c_void_p(array.ctypes.data)


def by_numpy(branch: npt.NDArray[np.uint16], masks: list[Runs]) -> tuple[Any, Any]:
    return voting.count_votes(branch, masks, CLASSES), voting.top_masks(branch, masks)


def assert_equal_counts(found: tuple[Any, Any], expected: tuple[Any, Any]) -> None:
    for array, reference in zip(found, expected, strict=True):
        np.testing.assert_array_equal(array, reference)


def cases() -> dict[str, tuple[npt.NDArray[np.uint16], list[Runs]]]:
    """A class map and masks on it."""
    sizes = {"landscape": (50, 70), "one row": (1, 90), "one column": (300, 1)}
    rng = np.random.default_rng(0)
    maps = {n: rng.integers(0, CLASSES, hw).astype(np.uint16) for n, hw in sizes.items()}
    found = {
        name: (branch, [runs_of_mask(mask) for mask in random_masks(1, 12, sizes[name])])
        for name, branch in maps.items()
    }
    one_class = np.full((40, 40), CLASSES - 1, np.uint16)
    everything = runs_of_mask(np.ones((40, 40), np.bool_))
    found["every thread on one counter"] = (one_class, [everything] * 3)
    found["masks without pixels"] = (one_class, [NO_PIXELS, everything, NO_PIXELS])
    return found


@pytest.mark.parametrize("threads", [32, THREADS])
@pytest.mark.parametrize("name", cases())
def test_the_kernel_counts_as_numpy_does(compiled: ctypes.CDLL, name: str, threads: int) -> None:
    branch, masks = cases()[name]
    found = on_the_cpu(compiled, threads, branch, masks)
    assert_equal_counts(found, by_numpy(branch, masks))


def test_flat_runs_of_no_masks() -> None:
    runs = FlatRuns.of([])
    assert (runs.starts.size, runs.lengths.size, runs.first_run.tolist()) == (0, 0, [0])


@pytest.mark.gpu
@pytest.mark.skipif(bool(gpu_missing()), reason=gpu_missing() or "a GPU is there")
@pytest.mark.parametrize("name", [*cases(), "no masks"])
def test_cupy_counts_as_numpy_does(name: str) -> None:
    import cupy

    branch, masks = cases().get(name, (np.zeros((30, 20), np.uint16), []))
    on_device = cupy.asarray(branch)
    votes = voting.count_votes(on_device, masks, CLASSES)
    top = voting.top_masks(on_device, masks)
    assert_equal_counts((votes, top.get()), by_numpy(branch, masks))


@pytest.mark.gpu
@pytest.mark.skipif(bool(gpu_missing()), reason=gpu_missing() or "a GPU is there")
@pytest.mark.parametrize("align_corners", [True, False])
def test_labels_made_on_the_gpu_equal_those_of_the_cpu(align_corners: bool) -> None:
    import cupy

    size_hw = (93, 120)
    low = np.random.default_rng(0).integers(0, CLASSES, (8, 8))
    logits = np.eye(CLASSES, dtype=np.float32)[low].transpose(2, 0, 1).copy() * 10
    masks = [runs_of_mask(mask) for mask in random_masks(2, 15, size_hw)]
    found = voting.label_masks(cupy.asarray(logits), masks, size_hw, align_corners)
    expected = voting.label_masks(logits, masks, size_hw, align_corners)
    # Where two classes' scores are equal to within rounding, either may win.
    differing = np.count_nonzero(found.branch_map != expected.branch_map)
    assert differing <= 0.001 * expected.branch_map.size
