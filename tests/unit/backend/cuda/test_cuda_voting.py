"""The vote's CUDA kernels, compiled for the CPU, and on a GPU where there is one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from ssa_backend import voting
from ssa_backend.cuda import voting as kernels
from ssa_backend.cuda.device import THREADS
from ssa_backend.cuda.voting import FlatRuns
from ssa_backend.interpolation import Taps
from ssa_backend.rle import Runs, runs_of_mask
from tests.unit.backend.cuda.cpu import Cpu, gpu_missing
from tests.unit.backend.random_masks import random_masks

CLASSES = 11
NO_PIXELS = Runs(np.zeros(0, np.int64), np.zeros(0, np.int64))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("voting")


@pytest.fixture(scope="module", params=[32, THREADS])
def cpu(request: pytest.FixtureRequest, folder: Path) -> Cpu:
    return Cpu(folder, request.param)


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
    found["no masks"] = (one_class, [])
    return found


@pytest.mark.parametrize("name", cases())
def test_the_kernels_count_as_numpy_does(cpu: Cpu, name: str) -> None:
    branch, masks = cases()[name]
    votes = kernels.count_votes(branch, masks, CLASSES, cpu)
    height, width = branch.shape
    top = kernels.top_masks((height, width), masks, cpu)
    assert_equal_counts((votes, top), by_numpy(branch, masks))
    lookup = np.arange(len(masks) + 1, dtype=np.uint16)
    painted = kernels.paint(branch, top, lookup, cpu)
    np.testing.assert_array_equal(painted, voting.paint(branch, top, lookup[:-1].astype(np.int32)))


@pytest.mark.parametrize("align_corners", [True, False])
@pytest.mark.parametrize("size_hw", [(93, 120), (7, 5), (1, 200), (64, 1)])
def test_the_kernel_finds_numpys_classes(
    cpu: Cpu, size_hw: tuple[int, int], align_corners: bool
) -> None:
    logits = np.random.default_rng(1).normal(size=(CLASSES, 12, 17)).astype(np.float32)
    rows, columns = (
        Taps.of(length, low_length, align_corners=align_corners)
        for length, low_length in zip(size_hw, logits.shape[1:], strict=True)
    )
    found = kernels.class_map(logits, rows, columns, cpu)
    expected = voting.class_map(logits, size_hw, align_corners)
    assert (found.dtype, found.shape) == (expected.dtype, expected.shape)
    # Where two classes' scores are equal to within rounding, either may win.
    assert np.count_nonzero(found != expected) <= 0.001 * expected.size


def test_equal_logits_give_the_lowest_class(cpu: Cpu) -> None:
    logits = np.zeros((4, 3, 3), np.float32)
    logits[1] = logits[3] = -1
    assert (kernels.class_map(logits, Taps.of(10, 3), Taps.of(40, 3), cpu) == 0).all()
    logits -= 5
    assert (kernels.class_map(logits, Taps.of(10, 3), Taps.of(40, 3), cpu) == 0).all()


def test_flat_runs_of_no_masks() -> None:
    runs = FlatRuns.of([])
    assert (runs.starts.size, runs.lengths.size, runs.first_run.tolist()) == (0, 0, [0])


@pytest.mark.gpu
@pytest.mark.skipif(bool(gpu_missing()), reason=gpu_missing() or "a GPU is there")
@pytest.mark.parametrize("name", cases())
def test_cupy_counts_as_numpy_does(name: str) -> None:
    import cupy

    branch, masks = cases()[name]
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
