"""Small holes and islands of a mask.

Source: segment-anything `utils/amg.py` (`remove_small_regions`) and
`SamAutomaticMaskGenerator.postprocess_small_regions`, done on the window that a mask occupies.
"""

from __future__ import annotations

import dataclasses
import math

import cv2
import numpy as np
import numpy.typing as npt

from ssa_backend.masks.boxes import nms
from ssa_backend.masks.candidates import Candidates
from ssa_backend.rle import Runs, boxes_xyxy, runs_of_window

BoolImage = npt.NDArray[np.bool_]


def clean_candidates(
    candidates: Candidates, min_area: int, nms_thresh: float, size_hw: tuple[int, int]
) -> Candidates:
    """Remove holes and islands of fewer than `min_area` pixels, then near-copies again.

    Masks that needed no change are preferred over those that did.

    Args:
        candidates: N masks.
        min_area: pixels.
        nms_thresh: IoU of boxes above which one of two masks goes.
        size_hw: height and width of the image.
    """
    cleaned = [_clean(runs, min_area, size_hw) for runs in candidates.runs]
    unchanged = np.array([new is None for new in cleaned])
    runs = [new or old for new, old in zip(cleaned, candidates.runs, strict=True)]
    boxes = boxes_xyxy(runs, size_hw[0])
    changed = dataclasses.replace(candidates, runs=runs, boxes_xyxy=boxes)
    return changed.take(nms(boxes, unchanged.astype(np.float32), nms_thresh))


def _clean(runs: Runs, min_area: int, size_hw: tuple[int, int]) -> Runs | None:
    """The mask without small holes and islands; None if it had none."""
    mask, x0, y0 = _with_margin(runs, min_area, size_hw)
    mask, filled = remove_small_regions(mask, min_area, "holes")
    mask, removed = remove_small_regions(mask, min_area, "islands")
    return runs_of_window(mask, x0, y0, size_hw[0]) if filled or removed else None


def _with_margin(runs: Runs, min_area: int, size_hw: tuple[int, int]) -> tuple[BoolImage, int, int]:
    """The mask in a window larger than its box, so that no part of what lies around looks small.

    A margin that one strip of fills `min_area` pixels makes "the outside" large here if and only
    if it is large in the whole image.

    Returns:
        The window, and column and row of its first pixel.
    """
    x0, y0, x1, y1 = runs.box_xyxy(size_hw[0])
    window = runs.columns(size_hw[0]).T
    margin = math.ceil(min_area / min(window.shape))
    top, left = min(margin, y0), min(margin, x0)
    bottom, right = min(margin, size_hw[0] - 1 - y1), min(margin, size_hw[1] - 1 - x1)
    return np.pad(window, ((top, bottom), (left, right))), x0 - left, y0 - top


def remove_small_regions(mask: BoolImage, min_area: int, mode: str) -> tuple[BoolImage, bool]:
    """Fill the small holes of a mask, or drop its small islands.

    Regions touch by their corners too. If all islands are small, the largest stays.

    Args:
        mask: [H, W] bool.
        min_area: regions of fewer pixels are small.
        mode: "holes" or "islands".

    Returns:
        The new mask, and whether it differs.
    """
    holes = mode == "holes"
    regions = (mask ^ holes).view(np.uint8)
    _, labels, stats, _ = cv2.connectedComponentsWithStats(regions, connectivity=8)
    areas = stats[1:, cv2.CC_STAT_AREA]
    small = areas < min_area
    if not small.any():
        return mask, False
    if holes:
        fill = np.r_[True, small]  # label 0 is the mask itself
    else:
        fill = np.r_[False, ~small]
        if small.all():
            fill[1 + np.argmax(areas)] = True
    return fill[labels], True
