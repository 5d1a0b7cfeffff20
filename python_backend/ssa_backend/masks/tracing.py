"""From a mask's logits in small to its runs in the image, without ever drawing it.

segment-anything grows every mask's logits to the image's size, twice over, and then thresholds
them, three times. But a grown pixel is a weighted mean of at most 3 x 3 logits: where these lie on
one side of all thresholds so does the pixel, and almost everywhere they do. Only along the mask's
border are pixels computed. The kernel is compiled by Numba, which keeps it on disk.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ssa_backend.cuda import tracing as cuda
from ssa_backend.cuda.device import on_gpu
from ssa_backend.images import resized_hw
from ssa_backend.masks.compiled import compiled
from ssa_backend.masks.grid import Crop
from ssa_backend.masks.growth import Axis, FloatArray, IntArray, Thresholds
from ssa_backend.rle import Runs
from ssa_backend.settings import SamSettings

ByteArray = npt.NDArray[np.uint8]

# Room for as many runs in each column of each mask; where there are more, all are traced again.
_USUAL_RUNS = 1

# What pixels are whose logits lie on one side of all thresholds, and what others are.
_MIXED, _OUTSIDE, _INSIDE = 0, 1, 2


@dataclass(frozen=True)
class Traced:
    """One mask.

    Attributes:
        runs: in pixels of the whole image, at least one.
        box_xyxy: see `Runs.box_xyxy`.
        stability: IoU of the masks at the low and at the high threshold; they lie in each other.
    """

    runs: Runs
    box_xyxy: tuple[int, int, int, int]
    stability: float


class Tracer:
    """Traces the masks of one crop of an image."""

    def __init__(
        self, crop: Crop, image_height: int, sam: SamSettings, thresholds: Thresholds
    ) -> None:
        """Prepare for masks of `crop` in an image of `image_height` rows."""
        height, width = crop.size_hw
        rows, columns = resized_hw(crop.size_hw, sam.image_size)
        self._rows = Axis.of(sam.mask_size, sam.image_size, rows, height)
        self._columns = Axis.of(sam.mask_size, sam.image_size, columns, width)
        self._x0, self._y0 = crop.box_xyxy[:2]
        self._image_height = image_height
        self._thresholds = thresholds

    def trace(self, logits: FloatArray) -> list[Traced | None]:
        """Each of the masks; None where it has no pixel.

        Source: segment-anything `Sam.postprocess_masks` and `calculate_stability_score`.

        Args:
            logits: [N, mask_size, mask_size] float32, rows first; NumPy's or CuPy's.
        """
        trace = cuda.trace if on_gpu(logits) else _trace
        place = (self._x0, self._y0, self._image_height)
        edges, counts = trace(logits, self._columns, self._rows, self._thresholds, place)
        boxes = np.empty((len(counts), 4), np.int64)
        _boxes(edges, counts[:, 0], self._image_height, boxes)
        starts, lengths = edges[::2], edges[1::2] - edges[::2]
        found: list[Traced | None] = []
        end = 0
        for (n_edges, low, high), box in zip(counts.tolist(), boxes.tolist(), strict=True):
            start, end = end, end + n_edges // 2
            runs = Runs(starts[start:end].copy(), lengths[start:end].copy())
            found.append(Traced(runs, tuple(box), high / low) if n_edges else None)
        return found


def _trace(
    logits: FloatArray,
    columns: Axis,
    rows: Axis,
    thresholds: Thresholds,
    place: tuple[int, int, int],
) -> tuple[IntArray, IntArray]:
    """Where masks begin and end; see `ssa_backend.cuda.tracing.trace`."""
    counts = np.zeros((len(logits), 3), np.int64)
    room = 2 * _USUAL_RUNS * len(columns.weights) * len(logits)
    while True:
        edges = np.empty(room, np.int64)
        axes = (columns.starts, columns.weights, rows.starts, rows.weights)
        _trace_all(logits, *axes, *thresholds, *place, edges, counts)
        if (room := int(counts[:, 0].sum())) <= len(edges):
            return edges[:room], counts


def _trace_all_in_python(
    logits: FloatArray,
    column_starts: IntArray,
    column_weights: FloatArray,
    row_starts: IntArray,
    row_weights: FloatArray,
    low: np.float32,
    middle: np.float32,
    high: np.float32,
    x0: int,
    y0: int,
    image_height: int,
    edges: IntArray,
    counts: IntArray,
) -> None:
    """Write where the masks begin and end, column by column, one mask after the other.

    In one piece, since a call for each column takes longer than the column: Numba counts every
    array in and out of it.

    Args:
        logits: [N, size, size].
        column_starts: see `Axis`, as are the next three.
        column_weights: of the columns.
        row_starts: of the rows.
        row_weights: of the rows.
        low: see `Thresholds`, as are the next two.
        middle: the mask's own.
        high: the last one.
        x0: column of the crop's first pixel in the image.
        y0: row of it.
        image_height: rows of the image.
        edges: where to write first and end of every run in turn, as column-major flat indices.
        counts: [N, 3], where to write of each mask how many edges it has (perhaps fewer than said,
            where `edges` is too short for them), and how many pixels are above `low` and `high`.
    """
    size = logits.shape[1]
    inside, outside, kinds = (
        np.empty((size, size), np.uint8),
        np.empty((size, size), np.uint8),
        np.empty((size, size), np.uint8),
    )
    spans, line = np.empty((size, 2), np.int64), np.empty(size, np.float32)
    offset = 0
    for n in range(logits.shape[0]):
        mask, room = logits[n], edges[min(offset, len(edges)) :]
        count, n_low, n_high = 0, 0, 0
        left, top, right, bottom = _window(mask, low)
        if bottom >= 0:
            _sort_into_kinds(mask[top : bottom + 1], low, high, inside, outside, kinds[top:])
        for j in range(left, right - 1):
            first_x, end_x = column_starts[j], column_starts[j + 1]
            if first_x == end_x:
                continue
            column = kinds[top : bottom - 1, j]
            n_spans, previous = 0, -1
            for i in range(len(column)):
                if column[i] != previous:
                    previous = column[i]
                    spans[n_spans, 0], spans[n_spans, 1] = previous, top + i
                    n_spans += 1
            spans[n_spans, 1] = bottom - 1
            for x in range(first_x, end_x):
                w0, w1, w2 = column_weights[x, 0], column_weights[x, 1], column_weights[x, 2]
                base = (x0 + x) * image_height + y0
                run = -1  # where the run that is being followed began
                for k in range(n_spans):
                    kind, first, end = spans[k, 0], spans[k, 1], spans[k + 1, 1]
                    step = end - first
                    if kind == _MIXED:
                        step = 1
                        for i in range(first, end + 2):
                            line[i] = w0 * mask[i, j] + w1 * mask[i, j + 1] + w2 * mask[i, j + 2]
                    for i in range(first, end, step):
                        begin_y, end_y = row_starts[i], row_starts[i + step]
                        if begin_y == end_y:
                            continue
                        here = kind
                        if kind == _MIXED:
                            a, b, c = line[i], line[i + 1], line[i + 2]
                            if a > high and b > high and c > high:
                                here = _INSIDE
                            elif a <= low and b <= low and c <= low:
                                here = _OUTSIDE
                        if here == _INSIDE:
                            n_low += end_y - begin_y
                            n_high += end_y - begin_y
                            if run < 0:
                                run = begin_y
                        elif here == _OUTSIDE:
                            if run >= 0:
                                count = _add_run(room, count, base + run, base + begin_y)
                                run = -1
                        else:
                            for y in range(begin_y, end_y):
                                v = (
                                    row_weights[y, 0] * a
                                    + row_weights[y, 1] * b
                                    + row_weights[y, 2] * c
                                )
                                n_low += v > low
                                n_high += v > high
                                if v > middle:
                                    if run < 0:
                                        run = y
                                elif run >= 0:
                                    count = _add_run(room, count, base + run, base + y)
                                    run = -1
                if run >= 0:
                    count = _add_run(room, count, base + run, base + row_starts[bottom - 1])
        counts[n, 0], counts[n, 1], counts[n, 2] = count, n_low, n_high
        offset += count


def _window_in_python(logits: FloatArray, low: np.float32) -> tuple[int, int, int, int]:
    """The logits outside of which nothing reaches the lowest threshold.

    Returns:
        Its first and last column and row as left, top, right and bottom, at least three of each, as
        many as a pixel reads; all -1 where there is none.
    """
    size = logits.shape[0]
    top, bottom = size, -1
    in_column = np.zeros(size, np.bool_)
    for i in range(size):
        in_row = False
        for j in range(size):
            reaches = logits[i, j] > low
            in_column[j] |= reaches
            in_row |= reaches
        if in_row:
            top, bottom = min(top, i), i
    if bottom < 0:
        return -1, -1, -1, -1
    left, right = size, -1
    for j in range(size):
        if in_column[j]:
            left, right = min(left, j), j
    # A pixel reads its first logit and the two after it.
    return max(left - 2, 0), max(top - 2, 0), min(right + 2, size - 1), min(bottom + 2, size - 1)


def _sort_into_kinds_in_python(
    rows: FloatArray,
    low: np.float32,
    high: np.float32,
    inside: ByteArray,
    outside: ByteArray,
    kinds: ByteArray,
) -> None:
    """Write into `kinds` what three by three logits have in common, where the first of them is.

    `inside` and `outside` are room to work in. Rows are taken out first, and conditions not cut
    short, so that the loops compile to vector instructions.
    """
    n_rows, n_columns = rows.shape
    for i in range(n_rows):
        row, in_row, out_row = rows[i], inside[i], outside[i]
        for j in range(n_columns - 2):
            a, b, c = row[j], row[j + 1], row[j + 2]
            in_row[j] = (a > high) & (b > high) & (c > high)
            out_row[j] = (a <= low) & (b <= low) & (c <= low)
    for i in range(n_rows - 2):
        in0, in1, in2 = inside[i], inside[i + 1], inside[i + 2]
        out0, out1, out2 = outside[i], outside[i + 1], outside[i + 2]
        found = kinds[i]
        for j in range(n_columns - 2):
            all_in, all_out = in0[j] & in1[j] & in2[j], out0[j] & out1[j] & out2[j]
            found[j] = all_in * _INSIDE + all_out * _OUTSIDE


def _add_run_in_python(edges: IntArray, count: int, begin: int, end: int) -> int:
    """Add a run, or lengthen the one before, if that ends where this one begins."""
    if 0 < count <= len(edges) and edges[count - 1] == begin:
        edges[count - 1] = end
        return count
    if count + 2 <= len(edges):
        edges[count], edges[count + 1] = begin, end
    return count + 2


def _boxes_in_python(
    edges: IntArray, n_edges: IntArray, image_height: int, boxes: IntArray
) -> None:
    """Write into `boxes` [N, 4] what `Runs.box_xyxy` says of each mask that has a run."""
    end = 0
    for n in range(len(n_edges)):
        first, end = end, end + n_edges[n]
        if first == end:
            continue
        top, bottom = image_height, -1
        for k in range(first, end, 2):
            start, last = edges[k], edges[k + 1] - 1
            column = start // image_height
            if last // image_height > column:  # it goes on at the top of the next column
                top, bottom = 0, image_height - 1
                break
            top = min(top, start - column * image_height)
            bottom = max(bottom, last - column * image_height)
        boxes[n, 0], boxes[n, 1] = edges[first] // image_height, top
        boxes[n, 2], boxes[n, 3] = (edges[end - 1] - 1) // image_height, bottom


def load_kernel() -> None:
    """Compile the kernel, or load what Numba kept of it, ahead of the first mask."""
    sam = SamSettings(image_size=16, embed_dim=1, embed_size=1, mask_size=4)
    crop = Crop((0, 0, 4, 4), np.zeros((0, 2)))
    Tracer(crop, 4, sam, Thresholds.around(0.0, 1.0)).trace(np.ones((1, 4, 4), np.float32))


_add_run = compiled(_add_run_in_python)
_window = compiled(_window_in_python)
_sort_into_kinds = compiled(_sort_into_kinds_in_python)
_trace_all = compiled(_trace_all_in_python)
_boxes = compiled(_boxes_in_python)
