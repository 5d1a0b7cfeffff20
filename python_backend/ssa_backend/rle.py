"""Masks as runs: between a boolean window, runs of foreground pixels, and COCO's compressed RLE.

COCO counts pixels column by column; a flat index here is `x * H + y`. pycocotools writes and reads
whole canvases; these functions work on the window a mask occupies and on runs, so that their cost
follows the mask's size and not the image's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import overload

import numpy as np
import numpy.typing as npt
from pycocotools import mask as coco_mask

from ssa_backend.errors import InvalidInputError

IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Runs:
    """The foreground of one mask.

    `starts` and `lengths` are int64 [R]: column-major flat indices, ascending, not overlapping.
    """

    starts: IntArray
    lengths: IntArray

    @property
    def area(self) -> int:
        """Number of foreground pixels."""
        return int(self.lengths.sum())

    def contains(self, pixels: IntArray) -> npt.NDArray[np.bool_]:
        """Which pixels, int64 [P] column-major flat indices, are foreground; bool [P]."""
        # A run of no pixels in front of all, for pixels before the first.
        ends = np.append(0, self.starts + self.lengths)
        inside: npt.NDArray[np.bool_] = (
            pixels < ends[np.searchsorted(self.starts, pixels, side="right")]
        )
        return inside

    def box_xyxy(self, height: int) -> tuple[int, int, int, int]:
        """The smallest box around at least one pixel of an image of `height` rows, ends included.

        Returns:
            x0, y0, x1, y1.
        """
        last = self.starts + self.lengths - 1
        x0, x1 = int(self.starts[0]) // height, int(last[-1]) // height
        if (self.starts // height != last // height).any():
            return x0, 0, x1, height - 1  # a run that goes on at the top of the next column
        return x0, int((self.starts % height).min()), x1, int((last % height).max())

    def columns(self, height: int) -> npt.NDArray[np.bool_]:
        """The mask within its box in an image of `height` rows, bool [w, h]: transposed."""
        x0, y0, x1, y1 = self.box_xyxy(height)
        rows = y1 - y0 + 1
        # Within the box a run stays in one piece: where one goes on in the next column, the box
        # has all rows.
        column, row = np.divmod(self.starts, height)
        starts = (column - x0) * rows + (row - y0)
        steps = np.zeros((x1 - x0 + 1) * rows + 1, np.int8)
        steps[starts] += 1
        steps[starts + self.lengths] -= 1
        return np.cumsum(steps[:-1], dtype=np.int8).view(np.bool_).reshape(-1, rows)


def runs_of_window(window: npt.NDArray[np.bool_], x0: int, y0: int, height: int) -> Runs:
    """The runs of a mask that is `window` with its upper left pixel at (x0, y0), nothing elsewhere.

    Args:
        window: [h, w] bool.
        x0: column of the window in the image.
        y0: row of the window in the image.
        height: of the image, pixels.
    """
    rows, columns = window.shape
    # One empty row below each column, so that every run ends within it.
    framed = np.zeros((columns, rows + 1), np.bool_)
    framed[:, :-1] = window.T
    pixels = framed.ravel()
    edges = np.flatnonzero(pixels[1:] != pixels[:-1]) + 1
    if pixels.size and pixels[0]:
        edges = np.append(0, edges)
    column, row = np.divmod(edges, rows + 1)
    places = (x0 + column) * height + (y0 + row)
    starts, ends = places[0::2], places[1::2]
    # A run that reaches the image's last row goes on in the first row of the next column.
    joined = np.flatnonzero(starts[1:] == ends[:-1])
    starts, ends = np.delete(starts, joined + 1), np.delete(ends, joined)
    return Runs(starts, ends - starts)


def runs_of_mask(mask: npt.NDArray[np.bool_]) -> Runs:
    """The runs of a mask of the whole image, bool [H, W], of which its box is looked at."""
    rows = np.flatnonzero(mask.any(axis=1))
    if not rows.size:
        return Runs(np.zeros(0, np.int64), np.zeros(0, np.int64))
    lines = mask[rows[0] : rows[-1] + 1]
    columns = np.flatnonzero(lines.any(axis=0))
    window = lines[:, columns[0] : columns[-1] + 1]
    return runs_of_window(window, int(columns[0]), int(rows[0]), len(mask))


def boxes_xyxy(masks: Sequence[Runs], height: int) -> IntArray:
    """The smallest boxes around masks of an image of `height` rows, ends included, int64 [N, 4]."""
    return np.array([mask.box_xyxy(height) for mask in masks], np.int64).reshape(-1, 4)


def encode(runs: Runs, size_hw: tuple[int, int]) -> bytes:
    """COCO's compressed RLE counts of a mask of `size_hw` (height, width) pixels."""
    height, width = size_hw
    edges = np.stack([runs.starts, runs.starts + runs.lengths], axis=1).ravel()
    edges = np.concatenate([[0], edges, [height * width]])
    counts = np.diff(edges)
    if runs.area and edges[-2] == edges[-1]:
        counts = counts[:-1]
    coco = coco_mask.frPyObjects({"size": [height, width], "counts": counts.tolist()}, *size_hw)
    return bytes(coco["counts"])


def decode(counts: bytes, size_hw: tuple[int, int]) -> Runs:
    """The inverse of `encode`, after pycocotools' `rleFrString`.

    Each count is written in groups of 5 bits, lowest first, a sixth bit saying that more follow and
    the highest bit of the last group being the sign; from the fourth count on, what is written is
    the difference from the count two before.

    Raises:
        InvalidInputError: `counts` is no such text, or its counts are not those of a mask of
            `size_hw` pixels.
    """
    height, width = size_hw
    groups = np.frombuffer(counts, np.uint8).astype(np.int64) - 48
    if groups.size and (groups.min() < 0 or groups.max() > 63):
        raise InvalidInputError(f"RLE counts {counts[:32]!r} hold characters of no COCO RLE.")
    last = (groups & 0x20) == 0
    if groups.size and not last[-1]:
        raise InvalidInputError(f"RLE counts {counts[:32]!r} end within a number.")
    values = _join_groups(groups, last)
    lengths = _undo_differences(values)
    total = height * width
    # Each by itself too: a sum of huge ones could wrap around to the right total.
    wrong = (lengths < 0) | (lengths > total)
    if wrong.any() or lengths.sum() != total:
        raise InvalidInputError(
            f"RLE counts describe {sum(lengths.tolist())} pixels; "
            f"expected {total}, for a mask of {width}x{height}."
        )
    ends = np.cumsum(lengths)
    foreground = slice(1, None, 2)
    runs = Runs((ends - lengths)[foreground], lengths[foreground])
    if (runs.lengths == 0).any():
        filled = runs.lengths > 0
        runs = Runs(runs.starts[filled], runs.lengths[filled])
    return runs


class EncodedMasks(Sequence[Runs]):
    """N masks of one size, each decoded when it is asked for: N at once are never in memory."""

    def __init__(self, counts: Sequence[bytes], size_hw: tuple[int, int]) -> None:
        self._counts = counts
        self._size_hw = size_hw

    def __len__(self) -> int:
        return len(self._counts)

    @overload
    def __getitem__(self, index: int) -> Runs: ...
    @overload
    def __getitem__(self, index: slice) -> EncodedMasks: ...
    def __getitem__(self, index: int | slice) -> Runs | EncodedMasks:
        if isinstance(index, slice):
            return EncodedMasks(self._counts[index], self._size_hw)
        return decode(self._counts[index], self._size_hw)


def _join_groups(groups: IntArray, last: npt.NDArray[np.bool_]) -> IntArray:
    """The signed numbers that 5-bit groups spell; `last` marks the last group of each."""
    if not groups.size:
        return np.zeros(0, np.int64)
    first = np.flatnonzero(np.r_[True, last[:-1]])
    number = np.cumsum(np.r_[False, last[:-1]])
    place = np.arange(groups.size) - first[number]
    if place.max() > 11:
        raise InvalidInputError("RLE counts hold a number of more than 60 bits.")
    values = np.add.reduceat((groups & 0x1F) << (5 * place), first)
    negative = groups[last] & 0x10 != 0
    bits = 5 * (place[last] + 1)
    return np.where(negative, values - (np.int64(1) << bits), values)


def _undo_differences(values: IntArray) -> IntArray:
    """Counts from differences: `counts[i] = values[i] + counts[i - 2]` for i > 2."""
    counts = values.copy()
    for offset in (1, 2):
        counts[offset::2] = np.cumsum(values[offset::2])
    return counts
