"""What results of both pipelines have in common, read back as other tools do."""

from __future__ import annotations

import contextlib
import io
import json
from typing import Any

import numpy as np
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO

from ssa_client import LabelResult, SegmentationResult
from tests.unit.client.conftest import MASKS


def checked_annotation(result: SegmentationResult | LabelResult) -> dict[str, Any]:
    """The annotation through JSON, right as SA-1B has it; the road's entry without that part."""
    annotation: dict[str, Any] = json.loads(json.dumps(result.to_annotation("street.jpg", 7)))
    assert annotation["image"] == {
        "image_id": 7,
        "width": 80,
        "height": 60,
        "file_name": "street.jpg",
    }
    assert [entry["id"] for entry in annotation["annotations"]] == [1, 2, 3]
    road = annotation["annotations"][1]
    np.testing.assert_array_equal(coco_mask.decode(road.pop("segmentation")), MASKS[1])
    seen = coco_mask.decode(road.pop("visible_segmentation"))
    np.testing.assert_array_equal(seen, MASKS[1] & ~MASKS[2])  # the car is in the road
    assert (annotation["annotations"][2]["parent"], road.pop("parent")) == (2, None)
    expected = {
        "id": 2,
        "bbox": [0, 35, 79, 24],
        "area": 2000,
        "predicted_iou": 0.875,
        "stability_score": 0.625,
        "point_coords": [[40.0, 50.0]],
        "crop_box": [0, 0, 80, 60],
        "visible_area": 1800,
    }
    assert {name: road.pop(name) for name in expected} == expected
    return annotation


def coco_reader(result: SegmentationResult | LabelResult) -> COCO:
    """pycocotools' index of the result as image 5, its annotations from 100 on."""
    dataset = COCO()
    dataset.dataset = {
        "images": [{"id": 5, "width": 80, "height": 60}],
        "annotations": result.to_coco(image_id=5, first_id=100),
        "categories": result.coco_categories(),
    }
    with contextlib.redirect_stdout(io.StringIO()):
        dataset.createIndex()
    return dataset
