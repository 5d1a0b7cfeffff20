"""COCO instances and panoptic, read back with pycocotools and panopticapi."""

from __future__ import annotations

import contextlib
import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from ssa_client.structure import UNCOVERED
from tests.unit.client.stored_results import (
    CLASS_IDS,
    LABELS,
    SIZES_HW,
    Results,
    closed_set_results,
    converted,
    engine_results,
    read_with_tool,
)


def read_coco(path: Path) -> COCO:
    with contextlib.redirect_stdout(io.StringIO()):
        return COCO(str(path))


def test_pycocotools_finds_each_mask_under_its_image_and_name(stored: Results) -> None:
    coco = read_coco(converted(stored, "coco") / "instances.json")
    names = {category["id"]: category["name"] for category in coco.loadCats(coco.getCatIds())}
    assert len(coco.getImgIds()) == len(SIZES_HW)
    assert coco.getAnnIds() == list(range(1, stored.count + 1))
    for image, (file_name, masks, class_names) in zip(
        coco.loadImgs(coco.getImgIds()), stored.named(), strict=True
    ):
        assert image["file_name"] == file_name
        assert (image["height"], image["width"]) == SIZES_HW[Path(file_name).stem]
        annotations = coco.loadAnns(coco.getAnnIds(imgIds=[image["id"]]))
        assert [names[a["category_id"]] for a in annotations] == class_names
        assert [a["score"] for a in annotations] == stored.confidences[file_name]
        for annotation, mask in zip(annotations, masks, strict=True):
            np.testing.assert_array_equal(coco.annToMask(annotation), mask)
            assert annotation["area"] == mask.sum()
            assert annotation["bbox"] == coco_mask.toBbox(annotation["segmentation"]).tolist()


def test_coco_s_evaluator_takes_it_as_truth_and_as_detections(stored: Results) -> None:
    truth = read_coco(converted(stored, "coco") / "instances.json")
    with contextlib.redirect_stdout(io.StringIO()):
        found = truth.loadRes(truth.dataset["annotations"])
        evaluation = COCOeval(truth, found, "segm")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    # Equal scores leave the order to chance, so that precision is not all 1; recall is.
    assert evaluation.stats[8] == pytest.approx(1.0)


def test_categories_are_the_segmenter_s_ids_or_the_folder_s_sorted_names(tmp_path: Path) -> None:
    closed = read_coco(converted(closed_set_results(tmp_path / "c"), "coco") / "instances.json")
    assert closed.dataset["categories"] == [{"id": id_, "name": LABELS[id_]} for id_ in CLASS_IDS]
    engine = read_coco(converted(engine_results(tmp_path / "e"), "coco") / "instances.json")
    names = sorted(["zebra", "a car", LABELS[3]])
    assert engine.dataset["categories"] == [
        {"id": id_, "name": name} for id_, name in enumerate(names, start=1)
    ]


def test_panoptic_pngs_and_json_agree_with_the_masks(stored: Results) -> None:
    out = converted(stored, "coco-panoptic")
    panoptic = json.loads((out / "panoptic.json").read_text("utf-8"))
    names = {category["id"]: category["name"] for category in panoptic["categories"]}
    for entry, (file_name, masks, class_names) in zip(
        panoptic["annotations"], stored.named(), strict=True
    ):
        expected = np.full(SIZES_HW[Path(file_name).stem], UNCOVERED)
        for index, mask in enumerate(masks):
            expected[mask] = index
        with Image.open(out / "panoptic" / entry["file_name"]) as picture:
            colors = np.asarray(picture, np.int64)
        found = colors @ (1, 256, 65536)
        segments = {segment["id"]: segment for segment in entry["segments_info"]}
        assert set(segments) == set(np.unique(found)) - {0}
        assert len(np.unique(found)) == len(np.unique(expected))
        for id_, segment in segments.items():
            visible = found == id_
            (index,) = np.unique(expected[visible])
            np.testing.assert_array_equal(visible, expected == index)
            assert names[segment["category_id"]] == class_names[index]
            assert segment["area"] == visible.sum()
            rle = coco_mask.encode(np.asfortranarray(visible, np.uint8))
            assert segment["bbox"] == coco_mask.toBbox(rle).tolist()


_PANOPTICAPI = """
import contextlib, io, json, sys
from panopticapi.evaluation import pq_compute_single_core
out = sys.argv[1]
panoptic = json.load(open(out + "/panoptic.json"))
categories = {category["id"]: category for category in panoptic["categories"]}
pairs = [(entry, entry) for entry in panoptic["annotations"]]
with contextlib.redirect_stdout(io.StringIO()):
    stat = pq_compute_single_core(0, pairs, out + "/panoptic", out + "/panoptic", categories)
average, _ = stat.pq_average(categories, isthing=True)
print(json.dumps({"pq": average["pq"], "n": average["n"],
                  "tp": sum(category.tp for category in stat.pq_per_cat.values())}))
"""


def test_panopticapi_s_evaluator_reads_it(stored: Results) -> None:
    out = converted(stored, "coco-panoptic")
    figures = read_with_tool("panopticapi", _PANOPTICAPI, out)
    panoptic = json.loads((out / "panoptic.json").read_text("utf-8"))
    segments = sum(len(entry["segments_info"]) for entry in panoptic["annotations"])
    assert figures == {"pq": 1.0, "n": len(panoptic["categories"]), "tp": segments}
