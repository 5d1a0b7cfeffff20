"""What a request to the engine may bring along."""

from __future__ import annotations

import numpy as np
import pytest

from ssa_backend import rle
from ssa_backend.engine.requests import MAX_CLASSES, boxes_xywh, read_classes, read_masks
from ssa_backend.errors import InvalidInputError
from ssa_backend.rle import runs_of_mask
from ssa_backend.settings import refuse_parameters
from tests.unit.backend.random_masks import box_of, random_masks

SIZE_HW = (30, 50)


def test_classes_are_read_once_each_in_order() -> None:
    names = ["tree", "café", "狗", "tree", " a car "]
    assert read_classes([name.encode() for name in names]) == ["tree", "café", "狗", " a car "]


def test_as_many_classes_as_allowed() -> None:
    assert len(read_classes([f"name {i}".encode() for i in range(MAX_CLASSES)])) == MAX_CLASSES


@pytest.mark.parametrize(
    ("names", "words"),
    [
        ([], "CLASSES has 0 names; expected 1 to 10000"),
        ([b"x"] * (MAX_CLASSES + 1), "CLASSES has 10001 names"),
        ([b"tree", b""], r"CLASSES\[1\] is ''; expected a name"),
        ([b" \t"], r"CLASSES\[0\] is ' \\t'"),
        ([b"a", b"b", b"\xff\xfe"], r"CLASSES\[2\] is b'\\xff\\xfe', which is no UTF-8"),
        ([b"x" * 1001], r"CLASSES\[0\] has 1001 bytes; at most 1000"),
    ],
)
def test_wrong_classes_are_refused(names: list[bytes], words: str) -> None:
    with pytest.raises(InvalidInputError, match=words):
        read_classes(names)


def test_masks_are_read_and_boxed() -> None:
    masks = random_masks(0, 40, SIZE_HW)
    counts = [rle.encode(runs_of_mask(mask), SIZE_HW) for mask in masks]
    found = read_masks(counts, SIZE_HW)
    boxes = boxes_xywh(found, SIZE_HW[0])
    assert boxes.dtype == np.int32
    for mask, runs, box in zip(masks, found, boxes, strict=True):
        assert runs.area == mask.sum()
        x0, y0, x1, y1 = box_of(mask)
        assert box.tolist() == [x0, y0, x1 - x0, y1 - y0]


def test_no_masks_are_no_boxes() -> None:
    assert boxes_xywh(read_masks([], SIZE_HW), SIZE_HW[0]).shape == (0, 4)


def test_a_broken_mask_is_named() -> None:
    good = rle.encode(runs_of_mask(np.ones(SIZE_HW, np.bool_)), SIZE_HW)
    empty = rle.encode(runs_of_mask(np.zeros(SIZE_HW, np.bool_)), SIZE_HW)
    other = rle.encode(runs_of_mask(np.ones((5, 5), np.bool_)), (5, 5))
    for bad, words in (
        (b"\xff", r"MASKS\[1\]: RLE counts .* hold characters of no COCO RLE"),
        (b"", r"MASKS\[1\]: RLE counts describe 0 pixels; expected 1500"),
        (other, r"MASKS\[1\]: RLE counts describe 25 pixels; .* for a mask of 50x30"),
        (empty, r"MASKS\[1\] is empty"),
    ):
        with pytest.raises(InvalidInputError, match=words):
            read_masks([good, bad, good], SIZE_HW)


def test_columns_are_the_transposed_window() -> None:
    masks = [*random_masks(5, 60, SIZE_HW), np.ones(SIZE_HW, np.bool_)]
    touching = np.zeros(SIZE_HW, np.bool_)
    touching[-1, 3] = touching[0, 4] = touching[5, 9] = True
    for mask in (*masks, touching):
        runs = runs_of_mask(mask)
        x0, y0, x1, y1 = runs.box_xyxy(SIZE_HW[0])
        assert (x0, y0, x1, y1) == box_of(mask)
        np.testing.assert_array_equal(runs.columns(SIZE_HW[0]), mask[y0 : y1 + 1, x0 : x1 + 1].T)


def test_there_is_nothing_to_set_for_given_masks() -> None:
    refuse_parameters({})
    with pytest.raises(InvalidInputError, match="unknown parameter 'points_per_side': there are"):
        refuse_parameters({"points_per_side": 3})
