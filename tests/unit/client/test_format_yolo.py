"""YOLO polygons, filled as Ultralytics fills them, and read with supervision."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pytest
import supervision
import yaml

from ssa_client.formats.yolo import polygon
from tests.unit.client.stored_results import LABELS, SIZES_HW, Bools, Results, converted

SQUARE = np.zeros((40, 50), np.bool_)
SQUARE[5:35, 5:45] = True


def without(mask: Bools, *boxes: tuple[slice, slice]) -> Bools:
    mask = mask.copy()
    for box in boxes:
        mask[box] = False
    return mask


def filled(points: npt.NDArray[Any], size_hw: tuple[int, ...]) -> Bools:
    canvas = np.zeros(size_hw, np.uint8)
    cv2.fillPoly(canvas, [points.astype(np.int32)], 1)
    return canvas.view(np.bool_)


def disc(x: int, y: int, radius: int) -> Bools:
    rows, columns = np.mgrid[:40, :50]
    return np.asarray((rows - y) ** 2 + (columns - x) ** 2 <= radius**2)


def single(y: int, x: int) -> Bools:
    mask = np.zeros((40, 50), np.bool_)
    mask[y, x] = True
    return mask


@pytest.mark.parametrize(
    "mask",
    [
        SQUARE,
        without(SQUARE, np.s_[10:20, 10:20]),
        without(SQUARE, np.s_[10:20, 10:20], np.s_[25:26, 30:31]),
        disc(20, 20, 15) & ~disc(20, 20, 9),
        without(SQUARE, np.s_[5:7, 5:44]),  # an arm of one pixel's width
        single(0, 0),
        single(39, 49),
        np.ones((40, 50), np.bool_),
    ],
)
def test_one_part_with_holes_comes_back_exactly(mask: Bools) -> None:
    points = polygon(mask)
    assert len(points) >= 3
    np.testing.assert_array_equal(filled(points, (40, 50)), mask)


def test_parts_are_joined_by_lines_of_one_pixel() -> None:
    mask = disc(10, 10, 6) | disc(35, 10, 6) | disc(20, 32, 4)
    back = filled(polygon(mask), (40, 50))
    assert (back | ~mask).all()
    assert 0 < (back & ~mask).sum() < 40


def test_corners_alone_are_written() -> None:
    assert polygon(SQUARE).tolist() == [[5, 5], [5, 34], [44, 34], [44, 5]]


def test_labels_filled_give_the_masks(stored: Results) -> None:
    out = converted(stored, "yolo")
    names = yaml.safe_load((out / "data.yaml").read_text("utf-8"))["names"]
    assert list(names) == list(range(len(names)))  # Ultralytics refuses gaps
    for file_name, masks, class_names in stored.named():
        stem = Path(file_name).stem
        lines = (out / "labels" / f"{stem}.txt").read_text("utf-8").splitlines()
        assert [names[int(line.split()[0])] for line in lines] == class_names
        height, width = SIZES_HW[stem]
        for line, mask in zip(lines, masks, strict=True):
            shares = np.array(line.split()[1:], np.float64).reshape(-1, 2)
            assert ((shares > 0) & (shares < 1)).all()
            assert len(shares) >= 3
            # Ultralytics scales and drops the fraction.
            points = (shares * (width, height)).astype(np.int32)
            np.testing.assert_array_equal(
                filled(points, mask.shape), filled(polygon(mask), mask.shape)
            )


def test_the_closed_set_keeps_its_ids(stored: Results) -> None:
    names = yaml.safe_load((converted(stored, "yolo") / "data.yaml").read_text("utf-8"))["names"]
    if "zebra" in names.values():
        assert names == dict(enumerate(sorted(["zebra", "a car", LABELS[3]])))
    else:
        assert names == {**dict(enumerate(LABELS)), 1: "unused 1"}


def test_supervision_reads_the_folder(stored: Results) -> None:
    out = converted(stored, "yolo", "--images", stored.images)
    dataset = supervision.DetectionDataset.from_yolo(
        images_directory_path=str(out / "images"),
        annotations_directory_path=str(out / "labels"),
        data_yaml_path=str(out / "data.yaml"),
        force_masks=True,
    )
    assert len(dataset) == len(SIZES_HW)
    for path, _, detections in dataset:
        file_name = Path(path).name
        masks, class_names = stored.masks[file_name], stored.class_names[file_name]
        assert [dataset.classes[int(id_)] for id_ in detections.class_id] == class_names
        for mask, read in zip(masks, detections.mask if masks else [], strict=True):
            np.testing.assert_array_equal(read, filled(polygon(mask), mask.shape))
