"""The semantic branch votes inside every mask: the closed-set labels.

Chen, Yang, Li: "Semantic Segment Anything", 2023. Arrays may be NumPy's or CuPy's: the work is done
where the logits are, and both give the same integers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ssa_backend.cuda import voting as cuda
from ssa_backend.cuda.device import on_gpu, to_numpy
from ssa_backend.interpolation import Taps
from ssa_backend.rle import Runs

FloatArray = npt.NDArray[np.float32]

N_PROPOSALS = 3

# The class map is made in tiles: that bounds the memory of scores [classes, rows, columns], and few
# classes can win in a small tile.
_TILE_ROWS = 32
_TILE_COLUMNS = 128

# By how much an interpolated score may leave the range of its neighbours, relative to the largest.
_ROUNDING = 1e-5


@dataclass(frozen=True)
class Labels:
    """What the vote says of N masks and of every pixel.

    Attributes:
        class_ids: int32 [N], the class with most votes; among equals the lowest id.
        vote_shares: float32 [N], its share of the mask's pixels.
        proposals: int32 [N, 3], classes by votes, most first, -1 where none is left.
        semantic_map: uint16 [H, W], the branch map with every mask painted over it in its class,
            in the order of the masks.
        branch_map: uint16 [H, W], the segmenter's own classes.
    """

    class_ids: npt.NDArray[np.int32]
    vote_shares: npt.NDArray[np.float32]
    proposals: npt.NDArray[np.int32]
    semantic_map: npt.NDArray[np.uint16]
    branch_map: npt.NDArray[np.uint16]


def label_masks(
    logits: Any, masks: Sequence[Runs], size_hw: tuple[int, int], align_corners: bool
) -> Labels:
    """Name masks by the classes of the pixels inside them.

    Args:
        logits: [K, h, w] float32, NumPy or CuPy.
        masks: of an image of `size_hw`, by area, largest first, so that smaller ones are painted
            over larger ones.
        size_hw: height and width of the image.
        align_corners: how logits grow to the image's size.
    """
    branch = class_map(logits, size_hw, align_corners)
    votes = count_votes(branch, masks, len(logits))
    class_ids = votes.argmax(axis=1).astype(np.int32)
    return Labels(
        class_ids=class_ids,
        vote_shares=_shares(votes),
        proposals=_proposals(votes),
        semantic_map=to_numpy(paint(branch, top_masks(branch, masks), class_ids)),
        branch_map=to_numpy(branch),
    )


def class_map(logits: Any, size_hw: tuple[int, int], align_corners: bool) -> Any:
    """The class of every pixel: logits grown bilinearly to the image's size, then argmax.

    Source: `torch.nn.functional.interpolate(mode="bilinear")` followed by `argmax(0)`. Made in
    tiles, so that K full-size score maps never exist, and of the classes only those are grown that
    can win somewhere in the tile: of 150, a few.

    Args:
        logits: [K, h, w] float32, NumPy or CuPy.
        size_hw: height and width of the image.
        align_corners: True where corner pixels' centres lie on each other, False where the images'
            borders do.

    Returns:
        [H, W] uint16, where the logits are.
    """
    _, low_height, low_width = logits.shape
    height, width = size_hw
    along_rows = Taps.of(height, low_height, align_corners=align_corners)
    along_columns = Taps.of(width, low_width, align_corners=align_corners)
    if on_gpu(logits):
        return cuda.class_map(logits, along_rows, along_columns)
    left, right = along_columns.low, along_columns.high
    grow_columns = along_columns.matrix(low_width)
    result = np.empty(size_hw, np.uint16)
    for y in range(0, height, _TILE_ROWS):
        rows = slice(y, y + _TILE_ROWS)
        weight = along_rows.fraction[rows, None]
        low, high = along_rows.low[rows], along_rows.high[rows]
        winners = able_to_win(logits[:, int(low[0]) : int(high[-1]) + 1])
        for x in range(0, width, _TILE_COLUMNS):
            columns = slice(x, x + _TILE_COLUMNS)
            first, last = int(left[columns][0]), int(right[columns][-1])
            able = np.flatnonzero(winners[:, max(first - 1, 0) : last + 1].any(axis=1))
            used, some = slice(first, last + 1), able[:, None]
            tile = logits[some, low, used] * (1 - weight) + logits[some, high, used] * weight
            scores = tile.reshape(-1, tile.shape[2]) @ grow_columns[used, columns]
            result[rows, columns] = able[_argmax(scores.reshape(*tile.shape[:2], -1))]
    return result


def able_to_win(logits: FloatArray) -> npt.NDArray[np.bool_]:
    """Which classes can be the largest somewhere between the given positions, column by column.

    What lies between four neighbours is at most their maximum and at least their minimum: a class
    whose maximum is under another's minimum is not the largest there.

    Args:
        logits: [K, h, w].

    Returns:
        [K, w - 1] bool, of what lies between each column and the next; [K, 1] where there is one.
    """
    high, low = logits, logits
    for axis in (1, 2):
        if logits.shape[axis] > 1:
            before = (slice(None),) * axis
            first, second = (*before, slice(-1)), (*before, slice(1, None))
            high = np.maximum(high[first], high[second])
            low = np.minimum(low[first], low[second])
    bound = low.max(axis=0)
    slack = np.float32(_ROUNDING) * np.abs(logits).max()
    able: npt.NDArray[np.bool_] = (high >= bound - slack).any(axis=1)
    return able


def _argmax(scores: FloatArray) -> npt.NDArray[np.int64]:
    """`scores.argmax(axis=0)` of [M, h, w]; NumPy's own walks memory the slow way."""
    best = scores[0].copy()
    winner = np.zeros(best.shape, np.int64)
    for index in range(1, len(scores)):
        better = scores[index] > best
        np.copyto(winner, index, where=better)
        np.copyto(best, scores[index], where=better)
    return winner


def count_votes(branch_map: Any, masks: Sequence[Runs], classes: int) -> npt.NDArray[np.int64]:
    """How many pixels of each class lie inside each mask.

    Args:
        branch_map: [H, W] uint16, NumPy or CuPy.
        masks: N.
        classes: K.

    Returns:
        [N, K] int64, NumPy.
    """
    if on_gpu(branch_map):
        return cuda.count_votes(branch_map, masks, classes)
    # The map in runs of one class, as masks are: what is added up are pieces of runs, not pixels.
    by_column = branch_map.T.ravel()
    starts = np.append(0, np.flatnonzero(by_column[1:] != by_column[:-1]) + 1)
    ends = np.append(starts[1:], by_column.size)
    class_ids = by_column[starts].astype(np.int64)
    votes = np.zeros((len(masks), classes), np.int64)
    for index, mask in enumerate(masks):
        mask_ends = mask.starts + mask.lengths
        first = np.searchsorted(starts, mask.starts, side="right") - 1
        pieces = np.searchsorted(starts, mask_ends, side="left") - first
        # The runs of the map that each run of the mask meets, one after the other.
        met = np.repeat(first - np.cumsum(pieces) + pieces, pieces) + np.arange(pieces.sum())
        lengths = np.minimum(ends[met], np.repeat(mask_ends, pieces))
        lengths -= np.maximum(starts[met], np.repeat(mask.starts, pieces))
        votes[index] = np.bincount(class_ids[met], lengths, classes)
    return votes


def top_masks(branch_map: Any, masks: Sequence[Runs]) -> Any:
    """Which mask lies on top where.

    Args:
        branch_map: [H, W], NumPy or CuPy, of the masks' image.
        masks: N; later ones lie over earlier ones.

    Returns:
        [H, W] int32, where the branch map is: the index of the last mask over each pixel, -1 where
        there is none.
    """
    if on_gpu(branch_map):
        return cuda.top_masks(branch_map.shape, masks)
    height, width = branch_map.shape
    top = np.full((width, height), -1, np.int32)
    for index, mask in enumerate(masks):
        if mask.area:
            x0, y0, x1, y1 = mask.box_xyxy(height)
            np.copyto(top[x0 : x1 + 1, y0 : y1 + 1], index, where=mask.columns(height))
    return top.T


def paint(branch_map: Any, top: Any, class_ids: npt.NDArray[np.int32]) -> Any:
    """The branch map with each mask's own pixels in its class.

    Args:
        branch_map: [H, W] uint16, NumPy or CuPy.
        top: [H, W] int32, index of the mask on top, -1 for none.
        class_ids: [N] int32.

    Returns:
        [H, W] uint16.
    """
    # One more entry at the end, which -1 picks: an empty list of masks can be indexed too.
    lookup = np.append(class_ids, 0).astype(np.uint16)
    if on_gpu(branch_map):
        return cuda.paint(branch_map, top, lookup)
    return np.where(top >= 0, lookup[top], branch_map)


def _shares(votes: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
    """The winner's share of all votes, [N]."""
    shares: npt.NDArray[np.float64] = votes.max(axis=1, initial=0) / votes.sum(axis=1).clip(1)
    return shares.astype(np.float32)


def _proposals(votes: npt.NDArray[np.int64]) -> npt.NDArray[np.int32]:
    """The classes with most votes, [N, 3]; -1 for classes without any."""
    best = np.argsort(-votes, axis=1, kind="stable")[:, :N_PROPOSALS]
    best = np.where(np.take_along_axis(votes, best, axis=1) > 0, best, -1)
    missing = N_PROPOSALS - best.shape[1]
    return np.pad(best, ((0, 0), (0, missing)), constant_values=-1).astype(np.int32)
