"""Crops and prompts against segment-anything's."""

from __future__ import annotations

import numpy as np
import pytest
from segment_anything.utils.amg import build_all_layer_point_grids, generate_crop_boxes

from ssa_backend.masks.grid import plan_crops
from ssa_backend.settings import MaskSettings

SETTINGS = [
    MaskSettings(points_per_side=8, crop_n_layers=0),
    MaskSettings(points_per_side=1, crop_n_layers=0),
    MaskSettings(points_per_side=64, crop_n_layers=1),
    MaskSettings(points_per_side=13, crop_n_layers=2),
    MaskSettings(points_per_side=9, crop_n_layers=2, crop_n_points_downscale_factor=1),
    MaskSettings(points_per_side=10, crop_n_layers=2, crop_overlap_ratio=0.0),
    MaskSettings(points_per_side=10, crop_n_layers=2, crop_overlap_ratio=0.83),
]


@pytest.mark.parametrize("size_hw", [(480, 640), (641, 333), (97, 1013), (200, 200)])
@pytest.mark.parametrize("settings", SETTINGS)
def test_crops_and_prompts_are_those_of_segment_anything(
    size_hw: tuple[int, int], settings: MaskSettings
) -> None:
    boxes, layers = generate_crop_boxes(
        size_hw, settings.crop_n_layers, settings.crop_overlap_ratio
    )
    grids = build_all_layer_point_grids(
        settings.points_per_side, settings.crop_n_layers, settings.crop_n_points_downscale_factor
    )
    crops = plan_crops(size_hw, settings)
    assert [list(crop.box_xyxy) for crop in crops] == boxes
    for crop, (x0, y0, x1, y1), layer in zip(crops, boxes, layers, strict=True):
        assert crop.size_hw == (y1 - y0, x1 - x0)
        np.testing.assert_allclose(crop.points, grids[layer] * [x1 - x0, y1 - y0], rtol=1e-12)


def test_deep_layers_keep_at_least_one_prompt() -> None:
    # segment-anything divides by zero here.
    crops = plan_crops((400, 300), MaskSettings(points_per_side=2, crop_n_layers=3))
    assert [len(crop.points) for crop in crops[-64:]] == [1] * 64


@pytest.mark.parametrize("size_hw", [(8, 8), (34, 34), (101, 300), (9, 40)])
def test_crops_outside_a_small_image_are_left_out(size_hw: tuple[int, int]) -> None:
    # There rounding up leaves nothing for the last of 16 crops; segment-anything fails on it.
    settings = MaskSettings(points_per_side=4, crop_n_layers=4)
    boxes, _ = generate_crop_boxes(size_hw, 4, settings.crop_overlap_ratio)
    inside = [tuple(box) for box in boxes if box[0] < box[2] and box[1] < box[3]]
    assert len(inside) < len(boxes)
    assert [crop.box_xyxy for crop in plan_crops(size_hw, settings)] == inside
