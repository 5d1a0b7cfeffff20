"""Small holes and islands: work within boxes equals segment-anything's on whole images."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from segment_anything import SamAutomaticMaskGenerator
from segment_anything.utils import amg

from ssa_backend.masks.candidates import Candidates
from ssa_backend.masks.regions import clean_candidates, remove_small_regions
from ssa_backend.rle import boxes_xyxy, runs_of_mask
from tests.unit.backend.random_masks import BoolImage, random_masks

SIZE_HW = (40, 52)


def candidates_of(masks: list[BoolImage]) -> Candidates:
    """Rows that can be told apart afterwards: the prompt's x is the index."""
    count = len(masks)
    return Candidates(
        runs := [runs_of_mask(mask) for mask in masks],
        boxes_xyxy(runs, masks[0].shape[0] if masks else 0),
        predicted_iou=np.ones(count, np.float32),
        stability_score=np.ones(count, np.float32),
        points=np.stack([np.arange(count), np.zeros(count)], axis=1).astype(np.float32),
        crops_xyxy=np.zeros((count, 4), np.int64),
    )


def assert_cleaned_like_the_reference(
    masks: list[BoolImage], min_area: int, nms_thresh: float
) -> None:
    size_hw = (masks[0].shape[0], masks[0].shape[1])
    tensor = torch.as_tensor(np.stack(masks))
    data = amg.MaskData(
        rles=amg.mask_to_rle_pytorch(tensor),
        boxes=amg.batched_mask_to_box(tensor),
        index=np.arange(len(masks)),
    )
    expected = SamAutomaticMaskGenerator.postprocess_small_regions(data, min_area, nms_thresh)

    found = clean_candidates(candidates_of(masks), min_area, nms_thresh, size_hw)
    assert found.points[:, 0].tolist() == expected["index"].tolist()
    assert found.boxes_xyxy.tolist() == expected["boxes"].tolist()
    for runs, rle in zip(found.runs, expected["rles"], strict=True):
        wanted = runs_of_mask(amg.rle_to_mask(rle))
        np.testing.assert_array_equal(runs.starts, wanted.starts)
        np.testing.assert_array_equal(runs.lengths, wanted.lengths)


@pytest.mark.parametrize("mode", ["holes", "islands"])
@pytest.mark.parametrize("min_area", [1, 2, 10, 100, 10**6])
def test_regions_are_removed_as_segment_anything_removes_them(mode: str, min_area: int) -> None:
    for mask in random_masks(min_area, 30, SIZE_HW):
        expected, expected_changed = amg.remove_small_regions(mask, min_area, mode)
        found, changed = remove_small_regions(mask, min_area, mode)
        np.testing.assert_array_equal(found, expected)
        assert changed == expected_changed


@pytest.mark.parametrize("min_area", [1, 4, 30, 300, 1500, 2**31 - 1])
@pytest.mark.parametrize("nms_thresh", [0.7, 1.0])
def test_boxes_give_what_the_whole_image_gives(min_area: int, nms_thresh: float) -> None:
    assert_cleaned_like_the_reference(random_masks(7, 60, SIZE_HW), min_area, nms_thresh)


@pytest.mark.parametrize("size_hw", [(1, 60), (60, 1), (3, 50), (50, 2)])
@pytest.mark.parametrize("min_area", [2, 9, 55])
def test_thin_images(size_hw: tuple[int, int], min_area: int) -> None:
    assert_cleaned_like_the_reference(random_masks(8, 40, size_hw), min_area, 1.0)


@pytest.mark.parametrize("min_area", [5, 60, 500])
def test_thin_masks_along_every_border(min_area: int) -> None:
    """What lies between a mask and a border may be small, and is then a hole to be filled."""
    masks = []
    for distance in (0, 1, 2, 9):
        for turn in range(4):
            mask = np.zeros((44, 44), np.bool_)
            mask[distance, 3:40] = True
            masks.append(np.ascontiguousarray(np.rot90(mask, turn)))
            mask[:, distance] = True  # reaches both ends: cuts a strip off the image
            masks.append(np.ascontiguousarray(np.rot90(mask, turn)))
    assert_cleaned_like_the_reference(masks, min_area, 1.0)


def test_masks_that_needed_no_change_are_preferred() -> None:
    whole = np.zeros(SIZE_HW, np.bool_)
    whole[5:25, 5:25] = True
    with_hole = whole.copy()
    with_hole[10, 10] = False
    found = clean_candidates(candidates_of([with_hole, whole]), 10, 0.7, SIZE_HW)
    assert found.points[:, 0].tolist() == [1]


def test_of_small_islands_alone_the_largest_stays() -> None:
    mask = np.zeros(SIZE_HW, np.bool_)
    mask[3, 3] = mask[20:22, 30:33] = mask[35, 8:10] = True
    (runs,) = clean_candidates(candidates_of([mask]), 50, 0.7, SIZE_HW).runs
    assert runs.box_xyxy(SIZE_HW[0]) == (30, 20, 32, 21)
    assert runs.area == 6


def test_nothing_to_clean() -> None:
    assert len(clean_candidates(candidates_of([]), 100, 0.7, SIZE_HW)) == 0
