"""Boxes: suppression of near-copies, and masks that a crop has cut off.

Boxes are (x0, y0, x1, y1) in pixels with the last pixel included, as segment-anything's
`batched_mask_to_box` gives them; widths are x1 - x0, as torchvision's operators measure them.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ssa_backend.masks.compiled import compiled

EDGE_TOLERANCE = 20  # pixels; segment-anything's `is_box_near_crop_edge`

BoxArray = npt.NDArray[np.int64]


def nms(
    boxes_xyxy: BoxArray, scores: npt.NDArray[np.float32], iou_threshold: float
) -> npt.NDArray[np.int64]:
    """Greedy non-maximum suppression; source: `torchvision.ops.nms`.

    Args:
        boxes_xyxy: [N, 4].
        scores: [N]; among equal scores the earlier box comes first.
        iou_threshold: a box whose IoU with a kept one is above it goes.

    Returns:
        Indices of the kept boxes, best score first, int64 [M].
    """
    order = np.argsort(-scores, kind="stable")
    kept = np.ones(len(order), np.bool_)
    _suppress(boxes_xyxy[order].astype(np.float32), np.float32(iou_threshold), kept)
    return order[kept]


def _suppress_in_python(
    boxes: npt.NDArray[np.float32], iou_threshold: np.float32, kept: npt.NDArray[np.bool_]
) -> None:
    """Clear `kept` [N] where a box has too much of a kept one before it; best score first."""
    for i in range(len(boxes)):
        if not kept[i]:
            continue
        x0, y0, x1, y1 = boxes[i, 0], boxes[i, 1], boxes[i, 2], boxes[i, 3]
        area = (x1 - x0) * (y1 - y0)
        for j in range(i + 1, len(boxes)):
            width = min(x1, boxes[j, 2]) - max(x0, boxes[j, 0])
            height = min(y1, boxes[j, 3]) - max(y0, boxes[j, 1])
            if not kept[j] or width <= 0 or height <= 0:
                continue
            overlap = width * height
            other = (boxes[j, 2] - boxes[j, 0]) * (boxes[j, 3] - boxes[j, 1])
            # Above the threshold, written so that two boxes of no area (0 / 0) would stay.
            if overlap > iou_threshold * (area + other - overlap):
                kept[j] = False


_suppress = compiled(_suppress_in_python)


def near_crop_edge(
    boxes_xyxy: BoxArray, crop_xyxy: tuple[int, int, int, int], size_hw: tuple[int, int]
) -> npt.NDArray[np.bool_]:
    """Whether each box touches an edge of its crop that is no edge of the image.

    Args:
        boxes_xyxy: [N, 4], in pixels of the image.
        crop_xyxy: the crop, last pixel excluded.
        size_hw: height and width of the image.

    Returns:
        [N] bool.
    """
    image = np.array([0, 0, size_hw[1], size_hw[0]])
    near_crop = np.abs(boxes_xyxy - np.array(crop_xyxy)) <= EDGE_TOLERANCE
    near_image = np.abs(boxes_xyxy - image) <= EDGE_TOLERANCE
    touching: npt.NDArray[np.bool_] = (near_crop & ~near_image).any(axis=1)
    return touching
