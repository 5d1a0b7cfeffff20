"""The picture: colours, outlines, names and the legend."""

from __future__ import annotations

import io
import tracemalloc

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image
from pycocotools import mask as coco_mask

from ssa_backend.labels import CITYSCAPES
from ssa_client import ImageReadError, Mask, SegmentationResult, drawing
from ssa_client._labels import LabelPlacer
from ssa_client._painting import painting_of_map
from ssa_client._palette import class_colors

Bool = npt.NDArray[np.bool_]


def made_of(
    masks: list[tuple[Bool, int, str]], semantic_map: npt.NDArray[np.uint16]
) -> SegmentationResult:
    """A result with these masks, (mask, class id, name), and this map."""
    return SegmentationResult(
        semantic_map.shape,  # type: ignore[arg-type]
        tuple(_mask(*mask) for mask in masks),
        CITYSCAPES,
        semantic_map,
    )


def _mask(mask: Bool, class_id: int, class_name: str) -> Mask:
    height, width = mask.shape
    rle = coco_mask.encode(np.asfortranarray(mask, dtype=np.uint8))
    x, y, w, h = (int(value) for value in coco_mask.toBbox(rle))
    return Mask(
        segmentation={"size": [height, width], "counts": rle["counts"].decode()},
        bbox_xywh=(x, y, w - 1, h - 1),
        area=int(mask.sum()),
        predicted_iou=1.0,
        stability_score=1.0,
        point_coords=(x, y),
        crop_box_xywh=(0, 0, width, height),
        class_id=class_id,
        class_name=class_name,
        class_proposals=(class_name,),
        vote_share=1.0,
    )


def scene() -> tuple[SegmentationResult, npt.NDArray[np.uint8]]:
    """Two cars side by side on a road, and its photo, [240, 320]."""
    semantic_map = np.zeros((240, 320), np.uint16)
    semantic_map[80:180, 40:280] = 13
    left, right = np.zeros((2, 240, 320), np.bool_)
    left[80:180, 40:160] = True
    right[80:180, 160:280] = True
    road = np.ones((240, 320), np.bool_)
    masks = [(road, 0, "road"), (left, 13, "car"), (right, 13, "car")]
    photo = np.full((240, 320, 3), 120, np.uint8)
    return made_of(masks, semantic_map), photo


def test_the_picture_is_the_image_with_a_legend_below() -> None:
    result, photo = scene()
    picture = result.draw(photo)
    assert picture.mode == "RGB"
    assert picture.width == 320
    assert picture.height > 240


def test_a_class_has_one_colour_and_objects_have_edges() -> None:
    result, photo = scene()
    pixels = np.asarray(result.draw(photo)).astype(int)
    left, right, road = pixels[90, 50], pixels[90, 270], pixels[20, 10]
    np.testing.assert_array_equal(left, right)
    assert np.abs(left - road).max() > 50
    # Two cars of one class and colour are told apart by the line between them.
    edge = pixels[90, 155:165].min(axis=1)
    assert edge.max() > 220
    assert pixels[90, 50:150].min(axis=1).max() < 200


def test_each_object_gets_its_name_once() -> None:
    result, _ = scene()
    bonnet = np.zeros((240, 320), np.bool_)
    bonnet[140:180, 45:155] = True
    part = made_of([(bonnet, 13, "car")], result.semantic_map).masks
    whole_and_part = SegmentationResult(
        result.size_hw, (*result.masks, *part), CITYSCAPES, result.semantic_map
    )
    _, labels = drawing._outline_and_place(painting_of_map(whole_and_part), line_width=1)
    assert sorted(label.text for label in labels) == ["car", "car", "road"]
    for label in labels:
        x, y = label.center_xy
        # On what it names, not on what lies over it.
        assert result.semantic_map[y, x] == {"car": 13, "road": 0}[label.text]


def test_a_name_that_does_not_fit_is_left_to_the_legend() -> None:
    semantic_map = np.zeros((240, 320), np.uint16)
    semantic_map[100:108, 100:112] = 7
    result = made_of([(semantic_map == 7, 7, "traffic sign")], semantic_map)
    _, labels = drawing._outline_and_place(painting_of_map(result), line_width=1)
    assert labels == []
    assert result.draw(np.zeros((240, 320, 3), np.uint8)).height > 240


def test_boxes_of_names_lie_inside_and_apart() -> None:
    placer = LabelPlacer((60, 100))
    region = np.ones((60, 100), np.bool_)
    taken = np.zeros((60, 100), int)
    for _ in range(20):
        center = placer.place(region, 0, 0, (30, 12))
        if center is None:
            break
        x, y = center
        assert 15 <= x <= 85
        assert 6 <= y <= 54
        taken[y - 6 : y + 6, x - 15 : x + 15] += 1
    assert taken.max() == 1
    assert taken.sum() >= 4 * 30 * 12


def test_a_window_s_place_is_given_in_the_image() -> None:
    center = LabelPlacer((60, 100)).place(np.ones((20, 40), np.bool_), 50, 30, (10, 6))
    assert center is not None
    assert 55 <= center[0] <= 85
    assert 33 <= center[1] <= 47


def test_colours_are_stable_and_differ() -> None:
    colors = class_colors(np.arange(150)).astype(int)
    np.testing.assert_array_equal(class_colors([[13]])[0, 0], colors[13])
    assert len(np.unique(colors, axis=0)) == 150
    few = colors[:19]
    apart = np.abs(few[:, None] - few[None]).sum(axis=2) + 999 * np.eye(19, dtype=int)
    assert apart.min() > 60


def test_a_photo_is_turned_as_the_server_turns_it() -> None:
    result, photo = scene()
    exif = Image.Exif()
    exif[0x0112] = 6  # shown after a quarter turn clockwise
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(np.rot90(photo))).save(buffer, "JPEG", exif=exif)
    assert result.draw(buffer.getvalue()).width == 320
    with pytest.raises(ValueError, match=r"\[320, 240\].*\(240, 320\)"):
        result.draw(np.rot90(photo))
    with pytest.raises(ImageReadError, match="cannot decode"):
        result.draw(b"no image")


def test_memory_does_not_grow_with_the_number_of_masks() -> None:
    semantic_map = np.zeros((400, 600), np.uint16)
    photo = np.zeros((400, 600, 3), np.uint8)
    everything = np.ones((400, 600), np.bool_)

    def peak_bytes(count: int) -> int:
        result = made_of([(everything, 0, "road")] * count, semantic_map)
        tracemalloc.start()
        result.draw(photo)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return peak

    peak_bytes(1)  # fonts and the palette stay
    assert peak_bytes(60) < peak_bytes(2) + 10 * everything.nbytes
