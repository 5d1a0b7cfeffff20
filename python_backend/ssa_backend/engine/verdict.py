"""CLIPSeg's verdict on one mask: which of the names most of its pixels are.

The hottest loop of the engine outside the networks. Only the box that the mask occupies is
looked at, not the crop around it.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ssa_backend.engine.crops import Window
from ssa_backend.engine.resizing import FloatArray
from ssa_backend.interpolation import Taps
from ssa_backend.rle import Runs
from ssa_backend.voting import able_to_win

# Pixels scored at a time; bounds the memory of large masks.
_TILE_PIXELS = 2**16


def count_winners(
    logits: FloatArray, mask: Runs, window: Window, image_height: int
) -> npt.NDArray[np.int64]:
    """How many pixels of a mask each name wins.

    Equals growing the logits to the window's size (bilinear, `align_corners=False`), the argmax
    over the names, the first among equals, and counting it inside the mask.

    Args:
        logits: [K, S, S] float32, of what is seen through the window.
        mask: of the image, within the window.
        window: of the image.
        image_height: pixels.

    Returns:
        [K] int64.
    """
    x0, y0, x1, y1 = mask.box_xyxy(image_height)
    names, low_height, low_width = logits.shape
    height, width = window.size_hw
    rows = Taps.of(height, low_height, slice(y0 - window.y0, y1 - window.y0 + 1))
    columns = Taps.of(width, low_width, slice(x0 - window.x0, x1 - window.x0 + 1))
    used = slice(rows.low[0], rows.high[-1] + 1)
    near = logits[:, used, columns.low[0] : columns.high[-1] + 1]
    able = np.flatnonzero(able_to_win(near).any(axis=1))
    counts = np.zeros(names, np.int64)
    if len(able) == 1:
        counts[able] = mask.area
        return counts
    # As the runs count: column after column.
    by_column = logits[able, used].swapaxes(1, 2)
    inside = mask.columns(image_height)
    grow_rows = rows.matrix(low_height)[used]
    tile = max(_TILE_PIXELS // len(grow_rows[0]), 1)
    for start in range(0, len(inside), tile):
        part = slice(start, start + tile)
        weight = columns.fraction[part, None]
        lines = by_column[:, columns.low[part]] * (1 - weight)
        lines += by_column[:, columns.high[part]] * weight
        scores = (lines.reshape(-1, lines.shape[2]) @ grow_rows).reshape(len(able), len(weight), -1)
        counts[able] += _count(scores, inside[part])
    return counts


def _count(scores: FloatArray, inside: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
    """Wins of each of K names among the pixels inside; scores [K, w, h], inside [w, h]."""
    best = scores[0]
    winner = np.zeros(best.shape, np.uint8)
    for index in range(1, len(scores)):
        np.copyto(winner, np.uint8(index), where=scores[index] > best)
        best = np.maximum(best, scores[index])
    return np.array([np.count_nonzero((winner == i) & inside) for i in range(len(scores))])
