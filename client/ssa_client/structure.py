"""How the masks of one image lie on and in each other.

Masks overlap: a car's window is a mask, and so is the car. A disjoint map gives each pixel to one
of them, and a tree says which mask is part of which.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt
from pycocotools import mask as coco_mask

from ssa_backend import rle
from ssa_client.results import Rle, Segment, encoded

UNCOVERED = -1
# How much of a mask must lie in another to be part of it: outlines of a part and its whole, found
# by different prompts, differ by a few pixels where they should be the same.
PART_SHARE = 0.9


def panoptic_map(masks: Sequence[Segment], size_hw: tuple[int, int]) -> npt.NDArray[np.int32]:
    """Which of `masks` each pixel belongs to, int32 [H, W]; `UNCOVERED` where there is none.

    The largest are painted first, so that the smaller lie on top; of two with the same area the
    later one does. One mask at a time is decoded, and of it the box that it occupies.
    """
    height, width = size_hw
    # Column after column in memory, as runs of pixels are.
    columns = np.full((width, height), UNCOVERED, np.int32)
    for index in sorted(range(len(masks)), key=lambda index: -masks[index].area):
        runs = rle.decode(masks[index].segmentation["counts"].encode("ascii"), size_hw)
        if runs.area:
            x0, y0, x1, y1 = runs.box_xyxy(height)
            columns[x0 : x1 + 1, y0 : y1 + 1][runs.columns(height)] = index
    return columns.T


def visible_segmentations(panoptic: npt.NDArray[np.int32], count: int) -> tuple[Rle, ...]:
    """The part of each of `count` masks that no other lies on, as `panoptic_map` has it."""
    pixels = panoptic.T.ravel()
    starts = np.append(0, np.flatnonzero(pixels[1:] != pixels[:-1]) + 1)
    lengths = np.diff(np.append(starts, pixels.size))
    owners = pixels[starts]
    order = np.argsort(owners, kind="stable")  # the runs of a mask stay in their order
    bounds = np.searchsorted(owners[order], np.arange(count + 1))
    size_hw = panoptic.shape[0], panoptic.shape[1]
    return tuple(
        encoded(rle.Runs(starts[runs], lengths[runs]), size_hw)
        for runs in (order[start:end] for start, end in pairwise(bounds))
    )


def parents(masks: Sequence[Segment]) -> tuple[int | None, ...]:
    """The index of each mask's whole: the smallest larger mask that holds `PART_SHARE` of it.

    None for a mask that is part of no other. Of two wholes with the same area the earlier is taken.
    """
    areas = np.array([mask.area for mask in masks], np.int64)
    boxes_xyxy = _boxes_xyxy(masks)
    found: list[int | None] = []
    for index, mask in enumerate(masks):
        # What two masks share is no more than what their boxes do, which is quick to know.
        overlaps = _overlaps(boxes_xyxy[index], boxes_xyxy)
        candidates = np.flatnonzero(
            (areas > areas[index]) & (overlaps >= PART_SHARE * areas[index])
        )
        found.append(_smallest_around(mask, masks, candidates) if mask.area else None)
    return tuple(found)


def _smallest_around(
    mask: Segment, masks: Sequence[Segment], candidates: npt.NDArray[np.intp]
) -> int | None:
    if not candidates.size:
        return None
    wholes = [masks[candidate] for candidate in candidates]
    # Of a crowd pycocotools divides what is shared by the first mask's area instead of the union's.
    shares = coco_mask.iou(
        [mask.segmentation], [whole.segmentation for whole in wholes], [1] * len(wholes)
    )[0]
    around = [i for i in range(len(wholes)) if shares[i] >= PART_SHARE]
    if not around:
        return None
    return int(candidates[min(around, key=lambda i: wholes[i].area)])


def _boxes_xyxy(masks: Sequence[Segment]) -> npt.NDArray[np.float64]:
    """[N, 4] pixel edges: both end pixels are inside."""
    boxes = coco_mask.toBbox([mask.segmentation for mask in masks])
    boxes_xyxy: npt.NDArray[np.float64] = np.reshape(boxes, (-1, 4)).copy()
    boxes_xyxy[:, 2:] += boxes_xyxy[:, :2]
    return boxes_xyxy


def _overlaps(
    box_xyxy: npt.NDArray[np.float64], boxes_xyxy: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """The area, [N], that a box [4] shares with each of `boxes_xyxy` [N, 4]."""
    low = np.maximum(box_xyxy[:2], boxes_xyxy[:, :2])
    high = np.minimum(box_xyxy[2:], boxes_xyxy[:, 2:])
    areas: npt.NDArray[np.float64] = np.clip(high - low, 0, None).prod(axis=1)
    return areas
