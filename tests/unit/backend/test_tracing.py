"""Masks traced in small against segment-anything's, which are drawn in full."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import cv2
import numpy as np
import numpy.typing as npt
import pytest
import torch
from torch.nn.functional import interpolate

from ssa_backend.images import resized_hw
from ssa_backend.masks import tracing
from ssa_backend.masks.grid import Crop
from ssa_backend.masks.growth import Thresholds
from ssa_backend.masks.tracing import Traced, Tracer
from ssa_backend.rle import encode, runs_of_mask
from ssa_backend.settings import SamSettings

FloatArray = npt.NDArray[np.float32]

SAM = SamSettings(image_size=64, embed_dim=3, embed_size=16, mask_size=32)
SAM_FINE = dataclasses.replace(SAM, image_size=128)
THRESHOLDS = Thresholds.around(0.0, 1.0)

# As (x0, y0, x1, y1) of an image of 90 rows and 120 columns, and the whole of others.
CROPS = [(0, 0, 120, 90), (30, 20, 100, 71), (0, 0, 50, 90), (113, 81, 120, 90), (7, 0, 8, 90)]
SIZES_HW = [(150, 200), (70, 31), (20, 300), (200, 200), (9, 9), (1, 40), (33, 1), (64, 64)]


def blobs(seed: int, count: int = 6) -> Iterator[FloatArray]:
    """Logits with smooth outlines, holes and speckles; everywhere, somewhere or nowhere high."""
    rng = np.random.default_rng(seed)
    size = SAM.mask_size
    for number in range(count):
        noise = rng.normal(size=(size, size)).astype(np.float32)
        smooth = cv2.GaussianBlur(noise, (0, 0), 1 + number)
        level = rng.uniform(-1.5, 1.5)
        yield (6 * (smooth / smooth.std() + level) + noise / 2).astype(np.float32)
    yield from (np.full((size, size), value, np.float32) for value in (-9, -1, -0.5, 0, 0.5, 9))
    yield (8 * rng.normal(size=(size, size))).astype(np.float32)


def drawn(logits: FloatArray, crop_hw: tuple[int, int], image_size: int) -> FloatArray:
    """The logits in full, as segment-anything's `Sam.postprocess_masks` draws them."""
    height, width = resized_hw(crop_hw, image_size)
    square = interpolate(
        torch.as_tensor(logits)[None, None], (image_size, image_size), mode="bilinear"
    )
    full = interpolate(square[..., :height, :width], crop_hw, mode="bilinear")
    return np.asarray(full[0, 0].numpy())


def trace(
    logits: FloatArray,
    box_xyxy: tuple[int, int, int, int],
    image_height: int,
    sam: SamSettings = SAM,
    thresholds: Thresholds = THRESHOLDS,
) -> Traced | None:
    crop = Crop(box_xyxy, np.zeros((0, 2)))
    (found,) = Tracer(crop, image_height, sam, thresholds).trace(logits[None])
    return found


def assert_traced(
    logits: FloatArray,
    box_xyxy: tuple[int, int, int, int],
    image_hw: tuple[int, int],
    sam: SamSettings = SAM,
    thresholds: Thresholds = THRESHOLDS,
) -> None:
    x0, y0, x1, y1 = box_xyxy
    full = drawn(logits, (y1 - y0, x1 - x0), sam.image_size)
    mask = np.zeros(image_hw, np.bool_)
    mask[y0:y1, x0:x1] = full > thresholds.mask
    found = trace(logits, box_xyxy, image_hw[0], sam, thresholds)
    if found is None:
        assert not mask.any()
        return
    assert encode(found.runs, image_hw) == encode(runs_of_mask(mask), image_hw)
    assert found.box_xyxy == found.runs.box_xyxy(image_hw[0])
    stability = (full > thresholds.high).sum() / (full > thresholds.low).sum()
    assert found.stability == pytest.approx(stability, abs=1e-3)


@pytest.mark.parametrize("box_xyxy", CROPS)
def test_crops_are_traced_as_they_would_be_drawn(box_xyxy: tuple[int, int, int, int]) -> None:
    for logits in blobs(1):
        assert_traced(logits, box_xyxy, (90, 120))


@pytest.mark.parametrize("size_hw", SIZES_HW)
@pytest.mark.parametrize("sam", [SAM, SAM_FINE])
def test_images_of_every_shape(size_hw: tuple[int, int], sam: SamSettings) -> None:
    for logits in blobs(2):
        assert_traced(logits, (0, 0, size_hw[1], size_hw[0]), size_hw, sam)


@pytest.mark.parametrize(("threshold", "offset"), [(0.0, 0.0), (1.5, 0.25), (-2.0, 4.0)])
def test_other_thresholds(threshold: float, offset: float) -> None:
    for logits in blobs(3):
        assert_traced(logits, (0, 0, 100, 80), (80, 100), SAM, Thresholds.around(threshold, offset))


def test_a_run_goes_on_in_the_next_column() -> None:
    everything = np.full((SAM.mask_size, SAM.mask_size), 5, np.float32)
    found = trace(everything, (0, 0, 30, 20), 20)
    assert found
    assert found.runs.starts.tolist() == [0]
    assert found.runs.lengths.tolist() == [600]
    found = trace(everything, (0, 5, 30, 15), 20)
    assert found
    assert len(found.runs.starts) == 30


def test_a_mask_with_more_edges_than_there_was_room_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracing, "_USUAL_RUNS", 0)
    for logits in blobs(4):
        assert_traced(logits, (0, 0, 70, 60), (60, 70))


def test_what_is_not_a_number_is_no_mask() -> None:
    size = SAM.mask_size
    assert trace(np.full((size, size), np.nan, np.float32), (0, 0, 30, 20), 20) is None


def test_the_kernel_computes_what_its_source_says(monkeypatch: pytest.MonkeyPatch) -> None:
    """Numba compiled it; here it runs as Python, where an index out of range is an error."""
    compiled = [trace(logits, (3, 2, 40, 33), 40) for logits in blobs(5)]
    for name in ("_trace_all", "_window", "_sort_into_kinds", "_add_run", "_boxes"):
        monkeypatch.setattr(tracing, name, getattr(tracing, f"{name}_in_python"))
    for logits, wanted in zip(blobs(5), compiled, strict=True):
        found = trace(logits, (3, 2, 40, 33), 40)
        assert (found is None) == (wanted is None)
        if found and wanted:
            assert found.runs.starts.tolist() == wanted.runs.starts.tolist()
            assert found.runs.lengths.tolist() == wanted.runs.lengths.tolist()
            assert found.box_xyxy == wanted.box_xyxy
            assert found.stability == wanted.stability
