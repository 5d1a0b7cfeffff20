"""Crops and pixels against the sources that the networks were trained with."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from PIL import Image

from ssa_backend.engine.crops import Window, scaled_window
from ssa_backend.engine.pixels import (
    blip_pixel_values,
    clip_pixel_values,
    clipseg_pixel_values,
    segmenters_pixel_values,
)
from ssa_backend.engine.resizing import bicubic_centre_square
from ssa_backend.images import segmenter_pixel_values
from ssa_backend.interpolation import Taps
from ssa_backend.settings import BlipSettings, ClipSegSettings, ClipSettings
from tests.reference import engine
from tests.reference.drawings import shapes
from tests.unit.backend.example_settings import ADE20K, COCO
from tests.unit.backend.random_masks import random_masks

SIZES_HW = [
    *[(1, 1), (1, 2), (2, 1), (3, 3), (1, 90), (90, 1), (2, 700), (701, 3), (30, 31)],
    *[(50, 1700), (1700, 50), (25, 1700), (1700, 25)],
    *[(64, 64), (65, 127), (120, 50), (200, 300), (301, 97), (97, 400), (33, 66), (66, 33)],
]


def pixels_of(size_hw: tuple[int, int], seed: int = 0) -> npt.NDArray[np.uint8]:
    """Noise over a drawing: sharp everywhere, so that every rounding shows."""
    rng = np.random.default_rng(seed)
    noise = rng.integers(-60, 61, (*size_hw, 3))
    drawing = shapes(seed, (max(size_hw[0], 8), max(size_hw[1], 8)))[: size_hw[0], : size_hw[1]]
    pixels: npt.NDArray[np.uint8] = (drawing.astype(int) + noise).clip(0, 255).astype(np.uint8)
    return pixels


def whole(rgb: npt.NDArray[np.uint8]) -> Window:
    return Window(0, 0, rgb.shape[1], rgb.shape[0])


def processed(processor: Any, rgb: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    # As a Pillow image: of an array of 1 or 3 rows, transformers would take the rows for channels.
    array = processor(Image.fromarray(rgb), return_tensors="np")["pixel_values"]
    return np.asarray(array)


@pytest.mark.parametrize("size_hw", SIZES_HW)
@pytest.mark.parametrize("side", [32, 65])
def test_clip_pixels_are_transformers(size_hw: tuple[int, int], side: int) -> None:
    from transformers import CLIPImageProcessorPil

    processor = CLIPImageProcessorPil(
        size={"shortest_edge": side}, crop_size={"height": side, "width": side}
    )
    rgb = pixels_of(size_hw)
    settings = ClipSettings(image_size=side, embed_dim=1, logit_scale=1.0)
    found = clip_pixel_values(Image.fromarray(rgb), [whole(rgb)], settings)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, processed(processor, rgb), atol=1e-5)


def test_a_wire_is_not_resized_to_its_full_length() -> None:
    rgb = pixels_of((1, 7000))
    square = bicubic_centre_square(Image.fromarray(rgb), 224)  # resized as a whole: 1.05 gigabytes
    assert square.shape == (224, 224, 3)
    np.testing.assert_array_equal(square[0], square[223])


@pytest.mark.parametrize("size_hw", SIZES_HW)
@pytest.mark.parametrize("side", [32, 65])
def test_blip_pixels_are_transformers(size_hw: tuple[int, int], side: int) -> None:
    from transformers import BlipImageProcessorPil

    rgb = pixels_of(size_hw)
    settings = BlipSettings(image_size=side, patches=1, width=1)
    found = blip_pixel_values(Image.fromarray(rgb), [whole(rgb)], settings)
    expected = processed(BlipImageProcessorPil(size={"height": side, "width": side}), rgb)
    np.testing.assert_allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize("size_hw", SIZES_HW)
@pytest.mark.parametrize("side", [32, 65])
def test_clipseg_pixels_are_interpolated_ones(size_hw: tuple[int, int], side: int) -> None:
    from transformers import ViTImageProcessorPil

    rgb = pixels_of(size_hw)
    settings = ClipSegSettings(image_size=side, layers=1, patches=1, reduced=1, embed_dim=1)
    processor = ViTImageProcessorPil(
        do_resize=False, image_mean=[0.485, 0.456, 0.406], image_std=[0.229, 0.224, 0.225]
    )
    normalised = torch.from_numpy(processed(processor, rgb))
    expected = torch.nn.functional.interpolate(
        normalised, size=(side, side), mode="bilinear", align_corners=False
    )
    found = clipseg_pixel_values(rgb, [whole(rgb)], settings)
    np.testing.assert_allclose(found, expected.numpy(), atol=3e-5)


def test_pixels_of_several_crops_are_a_batch() -> None:
    settings = ClipSettings(image_size=16, embed_dim=1, logit_scale=1.0)
    image = Image.fromarray(pixels_of((50, 60)))
    windows = [Window(5, 6, 35, 26), Window(50, 40, 55, 45), Window(0, 49, 40, 50)]
    batch = clip_pixel_values(image, windows, settings)
    alone = [clip_pixel_values(image, [window], settings) for window in windows]
    np.testing.assert_array_equal(batch, np.concatenate(alone))


def test_segmenters_that_read_alike_share_their_pixels() -> None:
    rgb = pixels_of((30, 40))
    alike = dataclasses.replace(COCO, labels=ADE20K.labels)
    other = dataclasses.replace(COCO, width=COCO.width + 8)
    first, second, third = segmenters_pixel_values(rgb, (COCO, alike, other))
    assert first is second
    np.testing.assert_array_equal(first, segmenter_pixel_values(rgb, COCO))
    np.testing.assert_array_equal(third, segmenter_pixel_values(rgb, other))


@pytest.mark.parametrize("low", [1, 2, 7, 32])
@pytest.mark.parametrize("length", [1, 2, 31, 32, 100])
def test_taps_are_torchs(low: int, length: int) -> None:
    values = np.random.default_rng(0).normal(size=low).astype(np.float32)
    expected = torch.nn.functional.interpolate(
        torch.from_numpy(values)[None, None], size=length, mode="linear", align_corners=False
    )[0, 0].numpy()
    wanted = slice(length // 3, length)
    for part in (slice(None), wanted):
        found = values @ Taps.of(length, low, part).matrix(low)
        np.testing.assert_allclose(found, expected[part], atol=1e-6)


@pytest.mark.parametrize("scale", [1.0, 1.2, 1.6])
def test_crops_are_the_originals(scale: float) -> None:
    size_hw = (50, 70)
    rgb = pixels_of(size_hw)
    for mask in random_masks(3, 60, size_hw):
        rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
        x0, y0, x1, y1 = columns[0], rows[0], columns[-1], rows[-1]
        box = np.array([x0, y0, x1 - x0, y1 - y0], np.int32)
        window = scaled_window(size_hw, box, scale)
        expected = engine.crop(rgb, engine.scaled_box(mask, scale))
        np.testing.assert_array_equal(window.of(rgb), expected)
        np.testing.assert_array_equal(np.asarray(Image.fromarray(rgb).crop(window)), expected)
        assert window.size_hw == expected.shape[:2]


@pytest.mark.parametrize(
    ("box_xywh", "window"),
    [
        ([0, 0, 0, 0], Window(0, 0, 1, 1)),
        ([8, 8, 0, 0], Window(7, 7, 9, 9)),
        ([4, 5, 2, 1], Window(3, 4, 7, 7)),
    ],
)
def test_the_window_of_one_pixel_is_never_empty(box_xywh: list[int], window: Window) -> None:
    assert scaled_window((9, 9), np.array(box_xywh, np.int32), 1.6) == window
