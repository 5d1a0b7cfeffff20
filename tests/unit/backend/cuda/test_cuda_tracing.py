"""The CUDA kernel that traces masks: to the last pixel what Numba's finds."""

from __future__ import annotations

import numpy as np
import pytest

from ssa_backend.cuda import tracing as kernels
from ssa_backend.masks import tracing
from ssa_backend.masks.grid import Crop
from ssa_backend.masks.growth import Thresholds
from ssa_backend.masks.tracing import Traced, Tracer
from ssa_backend.settings import SamSettings
from tests.unit.backend.cuda.cpu import Cpu, gpu_missing
from tests.unit.backend.test_tracing import CROPS, SAM, SAM_FINE, SIZES_HW, FloatArray, blobs

THRESHOLDS = [Thresholds.around(0.0, 1.0), Thresholds.around(1.5, 0.25), Thresholds.around(-2, 0)]
WHOLE = [((0, 0, width, height), height) for height, width in SIZES_HW]


@pytest.fixture(scope="module")
def cpu(tmp_path_factory: pytest.TempPathFactory) -> Cpu:
    return Cpu(tmp_path_factory.mktemp("tracing"), threads=64)


def on_the_cpu(tracer: Tracer, logits: FloatArray, cpu: Cpu) -> list[Traced | None]:
    """As `tracer.trace` of an array on a GPU."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tracing, "on_gpu", lambda array: True)
        patch.setattr(kernels, "Gpu", lambda: cpu)
        return tracer.trace(logits)


def assert_equal(found: list[Traced | None], expected: list[Traced | None]) -> None:
    assert len(found) == len(expected)
    for mask, wanted in zip(found, expected, strict=True):
        assert (mask is None) == (wanted is None)
        if mask and wanted:
            np.testing.assert_array_equal(mask.runs.starts, wanted.runs.starts)
            np.testing.assert_array_equal(mask.runs.lengths, wanted.runs.lengths)
            assert mask.stability == wanted.stability


@pytest.mark.parametrize("thresholds", THRESHOLDS)
@pytest.mark.parametrize("sam", [SAM, SAM_FINE])
@pytest.mark.parametrize(("box_xyxy", "image_height"), [*((box, 90) for box in CROPS), *WHOLE])
def test_the_kernel_traces_as_numba_does(
    cpu: Cpu,
    box_xyxy: tuple[int, int, int, int],
    image_height: int,
    sam: SamSettings,
    thresholds: Thresholds,
) -> None:
    tracer = Tracer(Crop(box_xyxy, np.zeros((0, 2))), image_height, sam, thresholds)
    logits = np.stack(list(blobs(7)))
    assert_equal(on_the_cpu(tracer, logits, cpu), tracer.trace(logits))


def test_no_masks_and_what_is_not_a_number(cpu: Cpu) -> None:
    tracer = Tracer(Crop((0, 0, 30, 20), np.zeros((0, 2))), 20, SAM, THRESHOLDS[0])
    logits = np.full((2, SAM.mask_size, SAM.mask_size), np.nan, np.float32)
    assert on_the_cpu(tracer, logits, cpu) == [None, None]
    assert on_the_cpu(tracer, logits[:0], cpu) == []


@pytest.mark.gpu
@pytest.mark.skipif(bool(gpu_missing()), reason=gpu_missing() or "a GPU is there")
@pytest.mark.parametrize("box_xyxy", CROPS)
def test_cupy_traces_as_numba_does(box_xyxy: tuple[int, int, int, int]) -> None:
    import cupy

    tracer = Tracer(Crop(box_xyxy, np.zeros((0, 2))), 90, SAM, THRESHOLDS[0])
    logits = np.stack(list(blobs(7)))
    assert_equal(tracer.trace(cupy.asarray(logits)), tracer.trace(logits))
