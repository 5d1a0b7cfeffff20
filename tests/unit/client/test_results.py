"""A result in other tools' forms, read back with those tools."""

from __future__ import annotations

import numpy as np
import pytest
from pycocotools import mask as coco_mask

from ssa_client import SegmentationResult, SsaClient
from tests.unit.client.conftest import MASKS
from tests.unit.client.fake_triton import FakeTriton
from tests.unit.client.read_back import checked_annotation, coco_reader


@pytest.fixture
def result(triton: FakeTriton, jpeg: bytes) -> SegmentationResult:
    with SsaClient(triton.url) as client:
        return client.segment(jpeg)


def test_the_annotation_is_sa1b_s_object_with_classes(result: SegmentationResult) -> None:
    annotation = checked_annotation(result)
    assert annotation["annotations"][1] == {
        "class_id": 0,
        "class_name": "road",
        "class_proposals": ["road", "sidewalk"],
        "vote_share": 0.75,
    }
    assert annotation["annotations"][2]["visible_area"] == 200


def test_the_semantic_mask_is_the_map_in_parts(result: SegmentationResult) -> None:
    semantic_mask = result.to_annotation("street.jpg")["semantic_mask"]
    # 8 is the branch's class on the rows that no mask covers.
    assert set(semantic_mask) == {"0", "8", "10", "13"}
    names = result.to_annotation("street.jpg")["semantic_names"]
    assert names == {"0": "road", "8": "vegetation", "10": "sky", "13": "car"}
    rebuilt = np.full(result.size_hw, 999, np.uint16)
    for class_id, rle in semantic_mask.items():
        rebuilt[coco_mask.decode(rle) == 1] = int(class_id)
    np.testing.assert_array_equal(rebuilt, result.semantic_map)


def test_coco_s_own_reader_finds_masks_and_categories(result: SegmentationResult) -> None:
    dataset = coco_reader(result)
    assert dataset.getAnnIds(imgIds=[5]) == [100, 101, 102]
    (car,) = dataset.loadAnns(dataset.getAnnIds(catIds=dataset.getCatIds(catNms=["car"])))
    np.testing.assert_array_equal(dataset.annToMask(car), MASKS[2])
    assert car["bbox"] == [10, 40, 20, 10]
    assert (car["area"], car["iscrowd"], car["score"]) == (200, 0, 0.5)


def test_supervision_gets_masks_boxes_classes_and_names(result: SegmentationResult) -> None:
    import supervision

    detections = result.to_supervision()
    np.testing.assert_array_equal(detections.mask, np.stack(MASKS))
    # The boxes are those that supervision computes from masks itself.
    np.testing.assert_array_equal(detections.xyxy, supervision.mask_to_xyxy(np.stack(MASKS)))
    np.testing.assert_array_equal(detections.area, [2400, 2000, 200])
    np.testing.assert_array_equal(detections.class_id, [10, 0, 13])
    np.testing.assert_array_equal(detections.confidence, np.array([1.0, 0.75, 0.5], np.float32))
    cars = detections[detections.data["class_name"] == "car"]
    assert len(cars) == 1
    assert cars.mask[0].sum() == 200


def test_no_masks_convert_to_nothing() -> None:
    empty = SegmentationResult((4, 6), (), ("road",), np.zeros((4, 6), np.uint16))
    assert empty.to_annotation("a.png")["annotations"] == []
    assert empty.to_coco() == []
    detections = empty.to_supervision()
    assert len(detections) == 0
    assert detections.mask.shape == (0, 4, 6)
