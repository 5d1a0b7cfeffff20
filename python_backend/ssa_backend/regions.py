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

from ssa_backend.boxes import nms
from ssa_backend.candidates import Candidates, Window

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
    cleaned = [_clean(window, min_area, size_hw) for window in candidates.windows]
    unchanged = np.array([window is None for window in cleaned])
    windows = [new or old for new, old in zip(cleaned, candidates.windows, strict=True)]
    changed = dataclasses.replace(candidates, windows=windows)
    return changed.take(nms(changed.boxes_xyxy, unchanged.astype(np.float32), nms_thresh))


def _clean(window: Window, min_area: int, size_hw: tuple[int, int]) -> Window | None:
    """The window without small holes and islands; None if it had none."""
    mask, x0, y0 = _with_margin(window, min_area, size_hw)
    mask, filled = remove_small_regions(mask, min_area, "holes")
    mask, removed = remove_small_regions(mask, min_area, "islands")
    if not (filled or removed):
        return None
    x, y, width, height = cv2.boundingRect(mask.view(np.uint8))
    return Window.of(mask[y : y + height, x : x + width], x0 + x, y0 + y)


def _with_margin(
    window: Window, min_area: int, size_hw: tuple[int, int]
) -> tuple[BoolImage, int, int]:
    """The mask in a larger window, so that no part of what lies around it looks small.

    A margin that one strip of fills `min_area` pixels makes "the outside" large here if and only
    if it is large in the whole image.
    """
    height, width = window.shape_hw
    margin = math.ceil(min_area / min(window.shape_hw))
    top, left = min(margin, window.y0), min(margin, window.x0)
    bottom = min(margin, size_hw[0] - window.y0 - height)
    right = min(margin, size_hw[1] - window.x0 - width)
    mask = np.pad(window.mask(), ((top, bottom), (left, right)))
    return mask, window.x0 - left, window.y0 - top


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
