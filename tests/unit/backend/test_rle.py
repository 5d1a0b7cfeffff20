"""COCO RLE against pycocotools, which works on whole canvases."""

from __future__ import annotations

import numpy as np
import pytest
from pycocotools import mask as coco_mask

from ssa_backend.errors import InvalidInputError
from ssa_backend.rle import Runs, decode, encode, runs_of_mask, runs_of_window
from tests.unit.backend.random_masks import BoolImage, random_masks

SIZES = [(1, 1), (1, 9), (9, 1), (2, 3), (37, 23), (64, 48)]


def coco_counts(mask: BoolImage) -> bytes:
    return bytes(coco_mask.encode(np.asfortranarray(mask.astype(np.uint8)))["counts"])


def drawn(runs: Runs, size_hw: tuple[int, int]) -> BoolImage:
    flat = np.zeros(size_hw[0] * size_hw[1], np.bool_)
    for start, length in zip(runs.starts, runs.lengths, strict=True):
        flat[start : start + length] = True
    return flat.reshape(size_hw[::-1]).T


def spelt(values: list[int]) -> bytes:
    """Numbers as COCO writes them, without the differences; source: cocoapi `rleToString`."""
    text = bytearray()
    for value in values:
        more = True
        while more:
            group = value & 0x1F
            value >>= 5
            more = value != (-1 if group & 0x10 else 0)
            text.append(48 + (group | 0x20 if more else group))
    return bytes(text)


@pytest.mark.parametrize("size_hw", SIZES)
def test_random_masks_are_encoded_as_pycocotools_encodes_them(size_hw: tuple[int, int]) -> None:
    for mask in random_masks(1, 40, size_hw):
        assert encode(runs_of_mask(mask), size_hw) == coco_counts(mask)


@pytest.mark.parametrize("size_hw", SIZES)
def test_what_pycocotools_encodes_is_decoded(size_hw: tuple[int, int]) -> None:
    for mask in random_masks(2, 40, size_hw):
        runs = decode(coco_counts(mask), size_hw)
        np.testing.assert_array_equal(drawn(runs, size_hw), mask)
        assert runs.area == np.count_nonzero(mask)


@pytest.mark.parametrize("size_hw", SIZES)
@pytest.mark.parametrize("filled", [False, True])
def test_empty_and_full_masks(size_hw: tuple[int, int], filled: bool) -> None:
    mask = np.full(size_hw, filled)
    runs = runs_of_mask(mask)
    assert len(runs.starts) == int(filled)
    assert encode(runs, size_hw) == coco_counts(mask)
    np.testing.assert_array_equal(drawn(decode(coco_counts(mask), size_hw), size_hw), mask)


@pytest.mark.parametrize(("x", "y"), [(0, 0), (6, 0), (0, 4), (6, 4), (3, 2)])
def test_one_pixel(x: int, y: int) -> None:
    mask = np.zeros((5, 7), np.bool_)
    mask[y, x] = True
    runs = runs_of_window(np.ones((1, 1), np.bool_), x, y, height=5)
    assert (runs.starts.tolist(), runs.lengths.tolist()) == ([x * 5 + y], [1])
    assert encode(runs, (5, 7)) == coco_counts(mask)


def test_a_run_goes_on_from_the_last_row_to_the_next_column() -> None:
    mask = np.zeros((4, 5), np.bool_)
    mask[2:, 1] = mask[:, 2] = mask[:1, 3] = True
    runs = runs_of_mask(mask)
    assert (runs.starts.tolist(), runs.lengths.tolist()) == ([6], [7])
    assert encode(runs, (4, 5)) == coco_counts(mask)


def test_windows_lie_where_they_are_put() -> None:
    rng = np.random.default_rng(3)
    height, width = 31, 26
    for window in random_masks(3, 60, (9, 7)):
        x0, y0 = int(rng.integers(width - 7 + 1)), int(rng.integers(height - 9 + 1))
        mask = np.zeros((height, width), np.bool_)
        mask[y0 : y0 + 9, x0 : x0 + 7] = window
        assert encode(runs_of_window(window, x0, y0, height), (height, width)) == coco_counts(mask)


def test_counts_of_many_digits() -> None:
    size_hw = (1500, 1400)
    mask = np.zeros(size_hw, np.bool_)
    mask[700, 3] = mask[1:1499, 900:1390] = True
    counts = coco_counts(mask)
    assert encode(runs_of_mask(mask), size_hw) == counts
    np.testing.assert_array_equal(drawn(decode(counts, size_hw), size_hw), mask)


def test_runs_of_no_pixels_are_left_out() -> None:
    runs = decode(spelt([1, 0, 2, 3]), (2, 3))
    assert (runs.starts.tolist(), runs.lengths.tolist()) == ([3], [3])


# From the fourth number on, each is added to the one two before: 64 runs of 2**58 pixels, whose
# sum is 0 in 64 bits.
WRAPPING = spelt([6, 2**58, 2**58, *[0] * 62])

BROKEN = {
    "empty": (b"", "describe 0 pixels; expected 6, for a mask of 3x2"),
    "too few pixels": (spelt([2, 3]), "describe 5 pixels; expected 6"),
    "too many pixels": (spelt([2, 5]), "describe 7 pixels; expected 6"),
    "a negative count": (spelt([-1, 7]), "expected 6"),
    "a sum that wraps around": (WRAPPING, f"describe {6 + 2**64} pixels; expected 6"),
    "a character above": (b"2p", "characters of no COCO RLE"),
    "a character below": (b"2 4", "characters of no COCO RLE"),
    "bytes": (b"\xff\x00", "characters of no COCO RLE"),
    "cut within a number": (b"2P", "end within a number"),
    "a number without end": (b"o" * 40 + b"0", "more than 60 bits"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_counts_are_refused_with_the_reason(name: str) -> None:
    counts, words = BROKEN[name]
    with pytest.raises(InvalidInputError) as caught:
        decode(counts, (2, 3))
    assert words in str(caught.value)


def test_any_text_is_decoded_or_refused() -> None:
    rng = np.random.default_rng(4)
    valid = coco_counts(random_masks(5, 1, (20, 20))[0])
    for _ in range(2000):
        text = bytearray(valid)
        text[rng.integers(len(text))] = rng.integers(40, 120)
        try:
            runs = decode(bytes(text), (20, 20))
        except InvalidInputError:
            continue
        assert (runs.lengths > 0).all()
        assert (runs.starts >= 0).all()
        ends = runs.starts + runs.lengths
        assert (ends[:-1] <= runs.starts[1:]).all()
        assert ends.max(initial=0) <= 400


@pytest.mark.parametrize("size_hw", SIZES)
def test_contains_is_what_the_drawn_mask_says(size_hw: tuple[int, int]) -> None:
    pixels = np.random.default_rng(0).permutation(size_hw[0] * size_hw[1])
    for mask in random_masks(5, 10, size_hw):
        found = runs_of_mask(mask).contains(pixels)
        np.testing.assert_array_equal(found, mask.T.ravel()[pixels])
