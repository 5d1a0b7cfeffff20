"""`<name>_semantic.png`: the image under its segments, with outlines, names and a legend.

At no time is more than one full-size mask held.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont
from pycocotools import mask as coco_mask

from ssa_client._image import ImageSource, open_image
from ssa_client._labels import LabelPlacer
from ssa_client._legend import LegendEntry, draw_legend
from ssa_client._painting import UNNAMED, Painting
from ssa_client._palette import class_colors
from ssa_client.results import Segment

RgbArray = npt.NDArray[np.uint8]

_FILL_OPACITY = 0.6
_OUTLINE_OPACITY = 0.9
# Below this share of the image a segment is too small for a name; the legend has its colour.
_LABELLED_SHARE = 0.001
# Sizes that a name may be written in, as shares of the usual one, largest first.
_FONT_SCALES = (1.0, 0.8, 0.62)
_SMALLEST_FONT = 10  # pixels
_LABEL_BACKGROUND = (16, 18, 24, 190)
_LABEL_TEXT = (255, 255, 255)


def draw(painting: Painting, image: ImageSource) -> Image.Image:
    """The picture of a result: classes as colours, masks as outlines, names on the larger ones.

    Args:
        painting: what was found.
        image: the image that it was found in, in any form that the clients take.

    Returns:
        RGB, as wide as the image and higher by the legend.

    Raises:
        ImageReadError: the image cannot be read.
        ValueError: the image has another size than the one that was segmented.
    """
    picture = draw_overlay(painting, image)
    return _stack(picture, _draw_legend(painting))


def draw_overlay(painting: Painting, image: ImageSource) -> Image.Image:
    """The same without the legend, of the image's size.

    Raises:
        ImageReadError: the image cannot be read.
        ValueError: the image has another size than the one that was segmented.
    """
    photo = _open_rgb(image, painting.size_hw)
    painted = _fill(photo, painting.class_map)
    line_width = max(1, round(min(painting.size_hw) / 700))
    outlines, labels = _outline_and_place(painting, line_width)
    _blend_white(painted, outlines)
    picture = Image.fromarray(painted)
    _write_labels(picture, labels)
    return picture


def legend_of(painting: Painting) -> list[LegendEntry]:
    """Every class of the map, the largest first."""
    ids, counts = np.unique(painting.class_map, return_counts=True)
    ids, counts = ids[ids != UNNAMED], counts[ids != UNNAMED]
    order = np.argsort(-counts, kind="stable")
    return [
        LegendEntry(
            color=tuple(class_colors(ids[i]).tolist()),
            name=painting.names[int(ids[i])],
            share=counts[i] / painting.class_map.size,
        )
        for i in order
    ]


@dataclass(frozen=True)
class _Label:
    text: str
    center_xy: tuple[int, int]
    font_size: int  # pixels


def _open_rgb(image: ImageSource, size_hw: tuple[int, int]) -> RgbArray:
    """The image as the server saw it, uint8 [H, W, 3]."""
    rgb = np.asarray(open_image(image).convert("RGB"))
    if rgb.shape[:2] != size_hw:
        raise ValueError(f"image is {list(rgb.shape[:2])}; the result is of one of {size_hw}.")
    return rgb


def _fill(photo: RgbArray, class_map: npt.NDArray[np.integer[Any]]) -> RgbArray:
    """`photo` under the colours of `class_map`.

    The photo is shown in gray there: a class keeps one colour whatever it is laid over.
    """
    ids, index = np.unique(class_map, return_inverse=True)
    colors = class_colors(ids)[index.reshape(class_map.shape)]
    gray = cv2.cvtColor(cv2.cvtColor(photo, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    blended: RgbArray = cv2.addWeighted(colors, _FILL_OPACITY, gray, 1 - _FILL_OPACITY, 0)
    unnamed = class_map == UNNAMED
    blended[unnamed] = gray[unnamed]
    return blended


def _outline_and_place(
    painting: Painting, line_width: int
) -> tuple[npt.NDArray[np.uint8], list[_Label]]:
    """One pass over the masks, largest first: their outlines as opacity [H, W], and the names."""
    height, width = painting.size_hw
    outlines = np.zeros(painting.size_hw, np.uint8)
    # Which class already has its name written on a pixel; a part of a named whole gets none.
    named = np.full(painting.size_hw, UNNAMED, np.int32)
    placer = LabelPlacer(painting.size_hw)
    labels = []
    for mask, class_id in zip(painting.masks, painting.class_ids, strict=True):
        window, (x0, y0) = _window(mask)
        contours, _ = cv2.findContours(
            window.astype(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE, offset=(x0, y0)
        )
        cv2.drawContours(outlines, contours, -1, 255, line_width, cv2.LINE_AA)
        if mask.area < _LABELLED_SHARE * height * width:
            continue
        here = np.s_[y0 : y0 + window.shape[0], x0 : x0 + window.shape[1]]
        visible = window & (painting.class_map[here] == class_id) & (named[here] != class_id)
        label = _place(placer, visible, (x0, y0), painting.names[class_id], max(height, width))
        if label:
            labels.append(label)
            named[here][window] = class_id
    # Where a segment ends with the image there is no edge to see.
    frame = np.ones(painting.size_hw, np.bool_)
    margin = line_width + 1  # antialiasing reaches a pixel further
    frame[margin:-margin, margin:-margin] = False
    outlines[frame] = 0
    return outlines, labels


def _window(mask: Segment) -> tuple[npt.NDArray[np.bool_], tuple[int, int]]:
    """The part of a mask within its box, bool [h, w], and the x, y of its upper left pixel."""
    x, y, width, height = (int(v) for v in coco_mask.toBbox(mask.segmentation))
    return mask.decode()[y : y + height, x : x + width], (x, y)


def _place(
    placer: LabelPlacer,
    region: npt.NDArray[np.bool_],
    origin_xy: tuple[int, int],
    text: str,
    longest_side: int,
) -> _Label | None:
    for scale in _FONT_SCALES:
        font_size = max(round(_font_size(longest_side) * scale), _SMALLEST_FONT)
        center = placer.place(region, *origin_xy, _label_box_wh(text, font_size))
        if center:
            return _Label(text, center, font_size)
    return None


def _font_size(longest_side: int) -> int:
    return max(round(longest_side / 54), _SMALLEST_FONT)


def _label_box_wh(text: str, font_size: int) -> tuple[int, int]:
    width = _font(font_size).getlength(text)
    return int(width) + font_size * 4 // 5, font_size * 3 // 2


def _blend_white(painted: RgbArray, opacity: npt.NDArray[np.uint8]) -> None:
    """Lay white over `painted` in place, `opacity` [H, W] saying where."""
    lines = opacity > 0
    alpha = opacity[lines, None] * np.float32(_OUTLINE_OPACITY / 255)
    painted[lines] = (painted[lines] * (1 - alpha) + 255 * alpha).astype(np.uint8)


def _write_labels(picture: Image.Image, labels: list[_Label]) -> None:
    pen = ImageDraw.Draw(picture, "RGBA")
    for label in labels:
        x, y = label.center_xy
        width, height = _label_box_wh(label.text, label.font_size)
        left, top = x - width / 2, y - height / 2
        pen.rounded_rectangle(
            (left, top, left + width, top + height), radius=height / 4, fill=_LABEL_BACKGROUND
        )
        pen.text((x, y), label.text, fill=_LABEL_TEXT, font=_font(label.font_size), anchor="mm")


@cache
def _font(size: int) -> ImageFont.ImageFont | ImageFont.FreeTypeFont:
    """Pillow's own font, which is there on every machine; decoding it takes a millisecond."""
    return ImageFont.load_default(size)


def _draw_legend(painting: Painting) -> Image.Image:
    height, width = painting.size_hw
    return draw_legend(legend_of(painting), width, _font_size(max(height, width)))


def _stack(upper: Image.Image, lower: Image.Image) -> Image.Image:
    picture = Image.new("RGB", (upper.width, upper.height + lower.height))
    picture.paste(upper, (0, 0))
    picture.paste(lower, (0, upper.height))
    return picture
