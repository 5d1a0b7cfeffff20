"""The pictures of a report: one mask in its surroundings, and an image under all of its masks."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image
from pycocotools import mask as coco_mask

from ssa_client._embedding import fitted
from ssa_client._legend import LegendEntry
from ssa_client._painting import ids_of_names, painting_of_masks
from ssa_client.conversions import encode_mask
from ssa_client.drawing import draw_overlay, legend_of
from ssa_client.formats.stored import StoredMask
from ssa_client.results import Segment

Box = tuple[int, int, int, int]

CROP_WH = (320, 240)  # pixels that a crop fits into
OVERVIEW_SIDE = 640
_SURROUNDINGS = 0.35  # of the longer side of the mask's box, on each side
_LEAST_SURROUNDINGS = 16  # pixels
_LARGEST_SCALE = 4.0
_OUTSIDE_LIGHT = 0.6  # of the photo around the mask
_LINE = (255, 214, 0)
_LINE_EDGE = (20, 20, 20)


def draw_crop(photo: Image.Image, mask: StoredMask) -> Image.Image:
    """A mask as a reviewer judges it: its pixels as they are, an outline, a darker surrounding.

    Args:
        photo: RGB, the image that `mask` is of.
        mask: one of its masks.

    Returns:
        RGB, at most `CROP_WH`.
    """
    x0, y0, x1, y1 = box = _box_around(mask.box_xyxy, photo.size)
    scale = min(CROP_WH[0] / (x1 - x0), CROP_WH[1] / (y1 - y0), _LARGEST_SCALE)
    size_wh = max(1, round((x1 - x0) * scale)), max(1, round((y1 - y0) * scale))
    crop = np.array(photo.resize(size_wh, Image.Resampling.LANCZOS, box))
    inside = _resized(_part(mask, box), size_wh)
    crop[~inside] = crop[~inside] * _OUTSIDE_LIGHT
    # With an empty frame: a mask that goes on beyond the crop has no outline there.
    contours, _ = cv2.findContours(inside.astype(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    for color, width in ((_LINE_EDGE, 3), (_LINE, 1)):
        cv2.drawContours(crop, contours, -1, color, width, cv2.LINE_AA)
    return Image.fromarray(crop)


def _box_around(inner_xyxy: Box, size_wh: tuple[int, int]) -> Box:
    """The part of an image to show of a mask: x0, y0, x1, y1, the latter outside.

    It has the shape of `CROP_WH` where the image is large enough for that.
    """
    x0, y0, x1, y1 = inner_xyxy
    width, height = x1 - x0 + 1, y1 - y0 + 1
    margin = max(_LEAST_SURROUNDINGS, round(_SURROUNDINGS * max(width, height)))
    width, height = width + 2 * margin, height + 2 * margin
    width = max(width, round(height * CROP_WH[0] / CROP_WH[1]))
    height = max(height, round(width * CROP_WH[1] / CROP_WH[0]))
    left, right = _span(x0 + x1 + 1, width, size_wh[0])
    top, bottom = _span(y0 + y1 + 1, height, size_wh[1])
    return left, top, right, bottom


def _span(double_center: int, length: int, limit: int) -> tuple[int, int]:
    """`length` pixels around a center, moved and cut to lie in 0..limit."""
    length = min(length, limit)
    start = min(max((double_center - length) // 2, 0), limit - length)
    return start, start + length


def _part(mask: StoredMask, box: Box) -> npt.NDArray[np.bool_]:
    """The mask within `box`, which holds all of it."""
    x0, y0, x1, y1 = box
    part = np.zeros((y1 - y0, x1 - x0), np.bool_)
    window = mask.window()
    left, top = mask.box_xyxy[0] - x0, mask.box_xyxy[1] - y0
    part[top : top + window.shape[0], left : left + window.shape[1]] = window
    return part


def _resized(mask: npt.NDArray[np.bool_], size_wh: tuple[int, int]) -> npt.NDArray[np.bool_]:
    shrinks = size_wh[0] < mask.shape[1]
    how = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    resized: npt.NDArray[np.bool_] = cv2.resize(mask.astype(np.float32), size_wh, None, 0, 0, how)
    return np.asarray(resized >= 0.5)


def draw_overview(
    photo: Image.Image, masks: Sequence[StoredMask]
) -> tuple[Image.Image, list[LegendEntry]]:
    """An image under all of its masks, made small, and what its colours mean.

    Args:
        photo: RGB.
        masks: all of its masks, largest first.

    Returns:
        RGB whose longer side is at most `OVERVIEW_SIDE`; its classes, the largest first.
    """
    size_wh = fitted(photo.size, OVERVIEW_SIDE)
    ids = ids_of_names(mask.class_name for mask in masks)
    kept, class_ids = [], []
    names: dict[int, str] = {}
    for mask in masks:
        small = _shrunk(mask, size_wh)
        # What is too small to be seen is left out.
        if small.area:
            class_id = ids[mask.class_name] if mask.class_id is None else mask.class_id
            kept.append(small)
            class_ids.append(class_id)
            names[class_id] = mask.class_name
    painting = painting_of_masks(size_wh[::-1], kept, class_ids, names)
    small_photo = photo.resize(size_wh, Image.Resampling.LANCZOS)
    return draw_overlay(painting, small_photo), legend_of(painting)


def _shrunk(mask: StoredMask, size_wh: tuple[int, int]) -> Segment:
    pixels = cv2.resize(mask.decode().astype(np.uint8), size_wh, None, 0, 0, cv2.INTER_NEAREST)
    segmentation = encode_mask(pixels.astype(np.bool_))
    x, y, width, height = (int(side) for side in coco_mask.toBbox(segmentation))
    bbox_xywh = (x, y, max(width - 1, 0), max(height - 1, 0))
    return Segment(segmentation, bbox_xywh, int(pixels.sum()))
