"""The vote against brute force, the class map against torch."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
import torch

from ssa_backend.rle import Runs, runs_of_mask
from ssa_backend.voting import class_map, count_votes, label_masks, paint, top_masks
from tests.unit.backend.random_masks import BoolImage, random_masks

SIZE_HW = (45, 61)
CLASSES = 7


def random_map(seed: int) -> npt.NDArray[np.uint16]:
    return np.random.default_rng(seed).integers(0, CLASSES, SIZE_HW).astype(np.uint16)


def logits_of(branch: npt.NDArray[np.uint16], classes: int = CLASSES) -> npt.NDArray[np.float32]:
    """Logits of the image's own size whose class map is `branch`."""
    one_hot: npt.NDArray[np.float32] = np.eye(classes, dtype=np.float32)[branch]
    return np.ascontiguousarray(one_hot.transpose(2, 0, 1))


@pytest.mark.parametrize("align_corners", [True, False])
@pytest.mark.parametrize(
    ("low_hw", "size_hw"),
    [
        ((16, 16), (97, 130)),
        ((16, 24), (16, 24)),
        ((20, 31), (33, 7)),  # smaller than the logits
        ((1, 1), (5, 6)),
        ((1, 9), (64, 65)),
        ((9, 8), (1, 1)),
        ((9, 8), (40, 1)),
    ],
)
def test_class_map_is_torchs(
    align_corners: bool, low_hw: tuple[int, int], size_hw: tuple[int, int]
) -> None:
    logits = np.random.default_rng(0).normal(size=(CLASSES, *low_hw)).astype(np.float32)
    scores = torch.nn.functional.interpolate(
        torch.as_tensor(logits)[None], size_hw, mode="bilinear", align_corners=align_corners
    )[0]
    found = class_map(logits, size_hw, align_corners)
    assert (found.dtype, found.shape) == (np.uint16, size_hw)
    # Where the best two are equal to within rounding, either may win.
    best = scores.topk(2, dim=0).values
    clear = (best[0] - best[1] > 1e-4).numpy()
    assert clear.mean() > 0.99
    np.testing.assert_array_equal(found[clear], scores.argmax(0).numpy()[clear])


def test_equal_logits_give_the_lowest_class() -> None:
    logits = np.zeros((4, 3, 3), np.float32)
    logits[1] = logits[3] = 1
    assert (class_map(logits, (10, 40), True) == 1).all()


def test_votes_are_the_pixels_of_each_class_inside_each_mask() -> None:
    branch = random_map(1)
    masks = random_masks(1, 25, SIZE_HW)
    votes = count_votes(branch, [runs_of_mask(mask) for mask in masks], CLASSES)
    for index, mask in enumerate(masks):
        expected = [np.count_nonzero(branch[mask] == k) for k in range(CLASSES)]
        assert votes[index].tolist() == expected


def test_the_last_mask_lies_on_top() -> None:
    masks = random_masks(1, 25, SIZE_HW)
    expected = np.full(SIZE_HW, -1)
    for index, mask in enumerate(masks):
        expected[mask] = index
    found = top_masks(random_map(1), [runs_of_mask(mask) for mask in masks])
    np.testing.assert_array_equal(found, expected)


def test_labels_against_the_original_algorithm() -> None:
    """The most frequent class of the untouched branch map, painted mask after mask."""
    branch = random_map(2)
    masks = sorted(random_masks(2, 25, SIZE_HW), key=np.count_nonzero, reverse=True)
    labels = label_masks(logits_of(branch), [runs_of_mask(m) for m in masks], SIZE_HW, True)
    painted = branch.copy()
    for index, mask in enumerate(masks):
        counts = np.bincount(branch[mask], minlength=CLASSES)
        winner = int(counts.argmax())
        painted[mask] = winner
        assert labels.class_ids[index] == winner
        assert labels.vote_shares[index] == pytest.approx(counts[winner] / mask.sum())
    np.testing.assert_array_equal(labels.branch_map, branch)
    np.testing.assert_array_equal(labels.semantic_map, painted)
    assert labels.semantic_map.flags.c_contiguous


def square(x0: int, y0: int, side: int) -> BoolImage:
    mask = np.zeros(SIZE_HW, np.bool_)
    mask[y0 : y0 + side, x0 : x0 + side] = True
    return mask


def test_ties_go_to_the_lowest_class_and_proposals_come_by_votes() -> None:
    branch = np.zeros(SIZE_HW, np.uint16)
    branch[0, :4] = [5, 2, 5, 2]
    branch[1, :4] = [2, 5, 6, 4]
    branch[2, :4] = [6, 4, 4, 4]
    branch[3, :4] = [0, 2, 2, 1]
    # Votes: 2 and 4 -> 5 and 4 times, 5 -> 3, 6 -> 2, the others once.
    second, tied = square(0, 0, 4), square(0, 0, 2)
    labels = label_masks(
        logits_of(branch), [runs_of_mask(second), runs_of_mask(tied)], SIZE_HW, True
    )
    assert labels.class_ids.tolist() == [2, 2]
    assert labels.proposals.tolist() == [[2, 4, 5], [2, 5, -1]]
    assert labels.vote_shares.tolist() == pytest.approx([5 / 16, 0.5])


def test_proposals_are_padded_where_there_are_fewer_classes() -> None:
    branch = np.zeros(SIZE_HW, np.uint16)
    labels = label_masks(logits_of(branch, 2), [runs_of_mask(square(3, 3, 5))], SIZE_HW, True)
    assert labels.proposals.tolist() == [[0, -1, -1]]


def test_smaller_masks_are_painted_over_larger_ones() -> None:
    branch = np.full(SIZE_HW, 3, np.uint16)
    large, small = square(5, 5, 20), square(10, 10, 4)
    branch[large] = 1
    branch[12, 11] = 6
    branch[small & (branch == 1)] = 2
    labels = label_masks(
        logits_of(branch), [runs_of_mask(large), runs_of_mask(small)], SIZE_HW, True
    )
    expected = np.where(small, 2, np.where(large, 1, 3))
    np.testing.assert_array_equal(labels.semantic_map, expected)
    assert labels.branch_map[12, 11] == 6


@pytest.mark.parametrize("masks", [[], [Runs(np.zeros(0, np.int64), np.zeros(0, np.int64))]])
def test_without_masks_or_pixels_the_branch_stays(masks: list[Runs]) -> None:
    branch = random_map(3)
    labels = label_masks(logits_of(branch), masks, SIZE_HW, False)
    np.testing.assert_array_equal(labels.semantic_map, branch)
    assert labels.proposals.tolist() == [[-1, -1, -1]] * len(masks)
    assert labels.vote_shares.tolist() == [0.0] * len(masks)
    assert labels.class_ids.dtype == labels.proposals.dtype == np.int32


@pytest.mark.parametrize(("x", "y"), [(0, 0), (60, 44), (60, 0), (0, 44)])
def test_a_mask_of_one_pixel(x: int, y: int) -> None:
    branch = random_map(4)
    labels = label_masks(logits_of(branch), [runs_of_mask(square(x, y, 1))], SIZE_HW, True)
    assert labels.class_ids.tolist() == [branch[y, x]]
    assert labels.vote_shares.tolist() == [1.0]


def test_paint_takes_the_class_of_the_mask_on_top() -> None:
    owner = np.array([[-1, 0], [1, -1]], np.int32)
    painted = paint(np.array([[9, 9], [9, 8]], np.uint16), owner, np.array([4, 5], np.int32))
    assert painted.tolist() == [[9, 4], [5, 8]]
    assert painted.dtype == np.uint16
