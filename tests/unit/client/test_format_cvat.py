"""CVAT's XML, its RLE read with cvat-sdk and the whole with datumaro."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import numpy as np
from cvat_sdk.masks import decode_mask, encode_mask

from tests.unit.client.stored_results import SIZES_HW, Results, converted, read_with_tool


def test_cvat_s_sdk_decodes_and_would_write_the_same_masks(stored: Results) -> None:
    root = ElementTree.parse(converted(stored, "cvat") / "annotations.xml").getroot()
    assert root.findtext("version") == "1.1"
    for image, (file_name, masks, class_names) in zip(
        root.findall("image"), stored.named(), strict=True
    ):
        height, width = SIZES_HW[Path(file_name).stem]
        assert image.get("name") == file_name
        assert (image.get("width"), image.get("height")) == (str(width), str(height))
        assert [mask.get("label") for mask in image] == class_names
        for element, mask in zip(image, masks, strict=True):
            runs = [int(run) for run in element.attrib["rle"].split(",")]
            left, top, across, down = (
                int(element.attrib[name]) for name in ("left", "top", "width", "height")
            )
            points = [*runs, left, top, left + across - 1, top + down - 1]
            read = decode_mask(points, image_width=width, image_height=height)
            np.testing.assert_array_equal(read, mask)
            box_xyxy = (left, top, left + across, top + down)
            assert points == encode_mask(mask, box_xyxy)


def test_the_labels_are_those_of_the_masks(stored: Results) -> None:
    root = ElementTree.parse(converted(stored, "cvat") / "annotations.xml").getroot()
    labels = [label.findtext("name") for label in root.iterfind("meta/task/labels/label")]
    assert set(labels) == {name for names in stored.class_names.values() for name in names}
    assert root.findtext("meta/task/size") == str(len(SIZES_HW))
    assert [image.get("id") for image in root.findall("image")] == ["0", "1", "2"]


_DATUMARO = """
import json, sys
from datumaro.components.dataset import Dataset
dataset = Dataset.import_from(sys.argv[1], "cvat")
names = [item.name for item in next(iter(dataset.categories().values())).items]
print(json.dumps([
    (item.id, [(names[mask.label], mask.image.shape, [a.tolist() for a in mask.image.nonzero()])
               for mask in item.annotations])
    for item in dataset
]))
"""


def test_datumaro_imports_it(stored: Results) -> None:
    out = converted(stored, "cvat", "--images", stored.images)
    found = read_with_tool("datumaro", _DATUMARO, out)
    for (id_, read), (file_name, masks, class_names) in zip(found, stored.named(), strict=True):
        assert id_ == Path(file_name).stem
        assert [name for name, _, _ in read] == class_names
        for (_, shape, pixels), mask in zip(read, masks, strict=True):
            assert tuple(shape) == mask.shape
            np.testing.assert_array_equal(pixels, mask.nonzero())
