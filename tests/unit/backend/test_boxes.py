"""Suppression and the crop edge test against torchvision's and segment-anything's."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
import torch
from segment_anything.utils.amg import is_box_near_crop_edge

from ssa_backend.masks import boxes
from ssa_backend.masks.boxes import near_crop_edge, nms
from tests.reference.torchvision_functions import batched_nms


def random_boxes(rng: np.random.Generator, count: int, side: int) -> npt.NDArray[np.int64]:
    corners = rng.integers(0, side, (count, 2, 2))
    boxes: npt.NDArray[np.int64] = np.concatenate(
        [corners.min(axis=1), corners.max(axis=1)], axis=1
    )
    return boxes


@pytest.mark.parametrize("threshold", [0.0, 0.3, 0.5, 0.7, 1.0])
@pytest.mark.parametrize("levels", [3, 1000])
def test_nms_keeps_what_torchvision_keeps(threshold: float, levels: int) -> None:
    """With 3 levels of scores most are equal; on a canvas of 12 pixels many boxes have no area."""
    for seed in range(0, 30, 3):
        rng = np.random.default_rng(seed)
        boxes = random_boxes(rng, 60, side=12 + 4 * seed)
        scores = (rng.integers(levels, size=60) / levels).astype(np.float32)
        expected = batched_nms(
            torch.as_tensor(boxes).float(), torch.as_tensor(scores), torch.zeros(60), threshold
        )
        assert nms(boxes, scores, threshold).tolist() == expected.tolist()


def test_the_kernel_computes_what_its_source_says(monkeypatch: pytest.MonkeyPatch) -> None:
    """Numba compiled it; here it runs as Python, where an index out of range is an error."""
    rng = np.random.default_rng(1)
    candidates = random_boxes(rng, 80, side=40), rng.random(80, np.float32), 0.3
    kept = nms(*candidates).tolist()
    monkeypatch.setattr(boxes, "_suppress", boxes._suppress_in_python)
    assert nms(*candidates).tolist() == kept


def test_nms_of_nothing() -> None:
    kept = nms(np.zeros((0, 4), np.int64), np.zeros(0, np.float32), 0.5)
    assert kept.dtype == np.int64
    assert kept.tolist() == []


def test_boxes_at_the_threshold_stay() -> None:
    boxes = np.array([[0, 0, 10, 10], [0, 0, 10, 5]])
    scores = np.array([1.0, 0.5], np.float32)
    assert nms(boxes, scores, 0.5).tolist() == [0, 1]
    assert nms(boxes, scores, 0.49).tolist() == [0]


@pytest.mark.parametrize("crop", [(0, 0, 100, 80), (30, 0, 90, 80), (25, 21, 79, 60)])
def test_the_crop_edge_is_that_of_segment_anything(crop: tuple[int, int, int, int]) -> None:
    size_hw = (80, 100)
    in_crop = random_boxes(np.random.default_rng(0), 500, side=54)
    expected = is_box_near_crop_edge(torch.as_tensor(in_crop), list(crop), [0, 0, 100, 80])
    boxes = in_crop + np.array([crop[0], crop[1], crop[0], crop[1]])
    found = near_crop_edge(boxes, crop, size_hw)
    assert found.tolist() == expected.tolist()
    assert found.any() == (crop != (0, 0, 100, 80))


def test_twenty_pixels_are_near_and_twenty_one_are_not() -> None:
    boxes = np.array([[220, 300, 400, 400], [221, 300, 400, 400]])
    assert near_crop_edge(boxes, (200, 200, 600, 600), (900, 900)).tolist() == [True, False]
