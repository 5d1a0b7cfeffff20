"""Label Studio tasks, read back with label-studio-sdk's own decoder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import numpy.typing as npt
import pytest

from ssa_backend import rle
from ssa_client.conversions import encode_mask
from ssa_client.formats import StoredMask
from ssa_client.formats.label_studio import encode_brush
from tests.unit.client.stored_results import SIZES_HW, Results, converted, read_with_tool


def decoded(rle: list[int]) -> npt.NDArray[np.uint8]:
    """rle-pack's format, read bit by bit after its description."""
    bits = "".join(f"{byte:08b}" for byte in rle)
    at = 0

    def read(count: int) -> int:
        nonlocal at
        at += count
        return int(bits[at - count : at], 2)

    total, word, widths = read(32), read(5) + 1, [read(4) + 1 for _ in range(4)]
    values: list[int] = []
    while len(values) < total:
        same = read(1)
        count = read(widths[read(2)]) + 1
        values += [read(word)] * count if same else [read(word) for _ in range(count)]
    assert len(values) == total
    assert len(bits) - at < 8
    return np.array(values, np.uint8)


def tasks_of(out: Path) -> list[dict[str, Any]]:
    tasks: list[dict[str, Any]] = json.loads((out / "tasks.json").read_text("utf-8"))
    return tasks


def test_each_task_is_an_image_with_its_masks_as_brushes(stored: Results) -> None:
    out = converted(stored, "label-studio", "--image-url", "s3://bucket/")
    for task, (file_name, masks, class_names) in zip(tasks_of(out), stored.named(), strict=True):
        assert task["data"] == {"image": f"s3://bucket/{file_name}"}
        (prediction,) = task["predictions"]
        regions = prediction["result"]
        assert len({region["id"] for region in regions}) == len(regions)
        assert [region["value"]["brushlabels"] for region in regions] == [[n] for n in class_names]
        assert [region["score"] for region in regions] == stored.confidences[file_name]
        for region, mask in zip(regions, masks, strict=True):
            assert (region["original_height"], region["original_width"]) == mask.shape
            rgba = decoded(region["value"]["rle"]).reshape(*mask.shape, 4)
            np.testing.assert_array_equal(rgba, np.repeat(mask[..., None] * 255, 4, axis=2))


def test_the_labeling_config_has_each_label_and_the_regions_names(stored: Results) -> None:
    out = converted(stored, "label-studio")
    view = ElementTree.parse(out / "label_config.xml").getroot()
    brush, image = view.find("BrushLabels"), view.find("Image")
    assert brush is not None
    assert image is not None
    labels = [label.get("value") for label in brush]
    assert set(labels) == {name for names in stored.class_names.values() for name in names}
    (task, *_) = tasks_of(out)
    region = task["predictions"][0]["result"][0]
    assert (region["from_name"], region["to_name"]) == (brush.get("name"), image.get("name"))
    assert image.get("value") == "$image"
    assert task["data"]["image"] == "/data/local-files/?d=a b.png"


@pytest.mark.parametrize(
    "mask",
    [
        np.ones((300, 400), np.bool_),  # a run longer than the longest that can be written
        np.ones((128, 128), np.bool_),  # exactly the longest
        np.ones((1, 1), np.bool_),
        np.indices((5, 7)).sum(axis=0) % 2 == 0,
    ],
)
def test_runs_of_any_length_are_written(mask: npt.NDArray[np.bool_]) -> None:
    counts = encode_mask(mask)["counts"]
    runs = rle.decode(counts.encode("ascii"), (mask.shape[0], mask.shape[1]))
    stored = StoredMask(
        segmentation=encode_mask(mask),
        bbox_xywh=(0, 0, 0, 0),
        area=runs.area,
        id=1,
        class_name="a",
        class_id=None,
        confidence=1.0,
        box_xyxy=runs.box_xyxy(len(mask)),
        runs=runs,
    )
    np.testing.assert_array_equal(decoded(encode_brush(stored))[::4], mask.ravel() * np.uint8(255))


_SDK = """
import json, logging, sys
logging.disable()
from label_studio_sdk.converter.brush import decode_from_annotation
found = []
for task in json.load(open(sys.argv[1])):
    regions = task["predictions"][0]["result"]
    # The shape in which the SDK's converter hands regions on.
    flat = [{**region, **region["value"]} for region in regions]
    layers = decode_from_annotation("label", flat)
    found.append([(name, layer.shape, layer.nonzero()[0].tolist(), layer.nonzero()[1].tolist())
                  for name, layer in layers.items()])
print(json.dumps(found))
"""


def test_label_studio_s_sdk_decodes_it(stored: Results) -> None:
    out = converted(stored, "label-studio")
    found = read_with_tool("label_studio_sdk", _SDK, out / "tasks.json")
    for layers, (file_name, masks, class_names) in zip(found, stored.named(), strict=True):
        for (name, shape, rows, columns), mask, class_name in zip(
            layers, masks, class_names, strict=True
        ):
            assert name.startswith(f"label-{class_name}-")
            assert tuple(shape) == mask.shape == SIZES_HW[Path(file_name).stem]
            read = np.zeros(shape, np.bool_)
            read[rows, columns] = True
            np.testing.assert_array_equal(read, mask)
