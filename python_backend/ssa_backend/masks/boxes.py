"""Boxes: suppression of near-copies, and masks that a crop has cut off.

Boxes are (x0, y0, x1, y1) in pixels with the last pixel included, as segment-anything's
`batched_mask_to_box` gives them; widths are x1 - x0, as torchvision's operators measure them.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

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
    boxes = boxes_xyxy.astype(np.float32)
    areas = _areas(boxes)
    order = np.argsort(-scores, kind="stable")
    kept = []
    while order.size:
        best, rest = order[0], order[1:]
        kept.append(best)
        low = np.maximum(boxes[best, :2], boxes[rest, :2])
        high = np.minimum(boxes[best, 2:], boxes[rest, 2:])
        overlap = np.prod((high - low).clip(0), axis=1)
        # Kept unless above the threshold, written so that two boxes of no area (0 / 0) stay.
        above = overlap > iou_threshold * (areas[best] + areas[rest] - overlap)
        order = rest[~above]
    return np.asarray(kept, np.int64)


def _areas(boxes: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    areas: npt.NDArray[np.float32] = np.prod(boxes[:, 2:] - boxes[:, :2], axis=1)
    return areas


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
