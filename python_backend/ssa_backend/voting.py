"""The semantic branch votes inside every mask: the closed-set labels.

Chen, Yang, Li: "Semantic Segment Anything", 2023. Arrays may be NumPy's or CuPy's: the work is done
where the logits are, and both give the same integers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt

from ssa_backend.rle import Runs

N_PROPOSALS = 3

# Rows of the class map made at a time; bounds the memory of [classes, rows, width] scores.
_TILE_ROWS = 32

# Pixels of a mask counted at a time, for the same reason.
_TILE_PIXELS = 2**17

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
    votes, owner = count_votes(branch, masks, len(logits))
    class_ids = votes.argmax(axis=1).astype(np.int32)
    return Labels(
        class_ids=class_ids,
        vote_shares=_shares(votes),
        proposals=_proposals(votes),
        semantic_map=_to_numpy(paint(branch, owner, class_ids)),
        branch_map=_to_numpy(branch),
    )


def class_map(logits: Any, size_hw: tuple[int, int], align_corners: bool) -> Any:
    """The class of every pixel: logits grown bilinearly to the image's size, then argmax.

    Source: `torch.nn.functional.interpolate(mode="bilinear")` followed by `argmax(0)`. Made in
    tiles of rows, so that K full-size score maps never exist, and of the classes only those are
    grown that can win somewhere in the tile: of 150, a few.

    Args:
        logits: [K, h, w] float32, NumPy or CuPy.
        size_hw: height and width of the image.
        align_corners: True where corner pixels' centres lie on each other, False where the images'
            borders do.

    Returns:
        [H, W] uint16, where the logits are.
    """
    xp = _namespace(logits)
    _, low_height, low_width = logits.shape
    height, width = size_hw
    top, bottom, fraction = _taps(height, low_height, align_corners, xp)
    left, right, along = _taps(width, low_width, align_corners, xp)
    columns = _as_matrix(left, right, along, low_width, xp)
    result = xp.empty(size_hw, xp.uint16)
    for start in range(0, height, _TILE_ROWS):
        rows = slice(start, start + _TILE_ROWS)
        weight = fraction[rows, None]
        low, high = top[rows], bottom[rows]
        able = _able_to_win(logits[:, int(low[0]) : int(high[-1]) + 1], xp)
        tile = logits[able[:, None], low] * (1 - weight) + logits[able[:, None], high] * weight
        scores = (tile.reshape(-1, low_width) @ columns).reshape(len(able), -1, width)
        result[rows] = able[_argmax(scores)]
    return result


def _able_to_win(logits: Any, xp: ModuleType) -> Any:
    """The classes that can be the largest somewhere between the given positions, ascending.

    What lies between four neighbours is at most their maximum and at least their minimum: a class
    whose maximum is under another's minimum is not the largest there.

    Args:
        logits: [K, h, w].

    Returns:
        [M] int64.
    """
    high, low = logits, logits
    for axis in (1, 2):
        if logits.shape[axis] > 1:
            before = (slice(None),) * axis
            first, second = (*before, slice(-1)), (*before, slice(1, None))
            high = xp.maximum(high[first], high[second])
            low = xp.minimum(low[first], low[second])
    bound = low.max(axis=0)
    slack = xp.float32(_ROUNDING) * xp.abs(logits).max()
    return xp.flatnonzero((high >= bound - slack).any(axis=(1, 2)))


def _argmax(scores: Any) -> Any:
    """`scores.argmax(axis=0)` of [M, h, w]; NumPy's own walks memory the slow way."""
    if not isinstance(scores, np.ndarray):
        return scores.argmax(axis=0)
    best = scores[0].copy()
    winner = np.zeros(best.shape, np.int64)
    for index in range(1, len(scores)):
        better = scores[index] > best
        np.copyto(winner, index, where=better)
        np.copyto(best, scores[index], where=better)
    return winner


def _taps(length: int, low_length: int, align_corners: bool, xp: ModuleType) -> tuple[Any, ...]:
    """For each output position the two inputs it lies between, and how far it is to the second."""
    position = xp.arange(length, dtype=xp.float32)
    if align_corners:
        scale = (low_length - 1) / (length - 1) if length > 1 else 0.0
        position = position * xp.float32(scale)
    else:
        position = (position + xp.float32(0.5)) * xp.float32(low_length / length)
        position = (position - xp.float32(0.5)).clip(0)
    low = xp.minimum(position.astype(xp.int64), low_length - 1)
    high = xp.minimum(low + 1, low_length - 1)
    return low, high, position - low.astype(xp.float32)


def _as_matrix(low: Any, high: Any, fraction: Any, low_length: int, xp: ModuleType) -> Any:
    """The taps as a matrix [low_length, length], so that a product applies them."""
    matrix = xp.zeros((low_length, len(low)), xp.float32)
    column = xp.arange(len(low))
    matrix[low, column] = 1 - fraction
    matrix[high, column] += fraction
    return matrix


def _namespace(array: Any) -> ModuleType:
    """NumPy or CuPy, whichever the array belongs to; CuPy is imported only by who has it."""
    if isinstance(array, np.ndarray):
        return np
    import cupy

    return cupy  # type: ignore[no-any-return]


def count_votes(
    branch_map: Any, masks: Sequence[Runs], classes: int
) -> tuple[npt.NDArray[np.int64], Any]:
    """How many pixels of each class lie inside each mask, and which mask lies on top where.

    Args:
        branch_map: [H, W] uint16, NumPy or CuPy.
        masks: N masks; later ones lie over earlier ones.
        classes: K.

    Returns:
        votes: [N, K] int64, NumPy.
        owner: [H, W] int32, where the branch map is: the index of the last mask over each pixel,
            -1 where there is none.
    """
    if not isinstance(branch_map, np.ndarray):
        from ssa_backend import voting_kernel

        return voting_kernel.count_votes(branch_map, masks, classes)
    by_column = np.ascontiguousarray(branch_map.T)
    owner = np.full(by_column.shape, -1, np.int32)
    votes = np.zeros((len(masks), classes), np.int64)
    for index, runs in enumerate(masks):
        if not runs.area:
            continue
        x0, y0, x1, y1 = runs.box_xyxy(len(branch_map))
        box = slice(x0, x1 + 1), slice(y0, y1 + 1)
        inside = runs.columns(len(branch_map))
        np.copyto(owner[box], index, where=inside)
        window = by_column[box]
        # `bincount` wants 8 bytes a pixel: of a large mask, some columns at a time.
        step = max(_TILE_PIXELS // inside.shape[1], 1)
        for start in range(0, len(inside), step):
            part = slice(start, start + step)
            votes[index] += np.bincount(window[part][inside[part]], minlength=classes)
    return votes, owner.T


def paint(branch_map: Any, owner: Any, class_ids: npt.NDArray[np.int32]) -> Any:
    """The branch map with each mask's own pixels in its class.

    Args:
        branch_map: [H, W] uint16, NumPy or CuPy.
        owner: [H, W] int32, index of the mask on top, -1 for none.
        class_ids: [N] int32.

    Returns:
        [H, W] uint16.
    """
    xp = _namespace(branch_map)
    # One more entry at the end, which -1 picks: an empty list of masks can be indexed too.
    lookup = xp.asarray(np.append(class_ids, 0).astype(np.uint16))
    return xp.where(owner >= 0, lookup[owner], branch_map)


def _to_numpy(array: Any) -> npt.NDArray[np.uint16]:
    return np.ascontiguousarray(array if isinstance(array, np.ndarray) else array.get())


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
