"""Decoding, and pixels that equal what the networks' sources would see."""

from __future__ import annotations

import io
import warnings
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from PIL import Image
from segment_anything.utils.transforms import ResizeLongestSide
from transformers import SegformerImageProcessorPil

from ssa_backend.errors import InvalidInputError
from ssa_backend.images import decode_image, resized_hw, sam_pixel_values, segmenter_pixel_values
from ssa_backend.settings import ImageSettings, SamSettings, SegmenterSettings
from tests.images import bad_images, encoded, unusual_images
from tests.reference import analytic_sam, drawings

LIMITS = ImageSettings()
SAM = SamSettings(image_size=256)
SIZE_HW = (24, 36)

ByteArray = npt.NDArray[np.uint8]


def decoded(data: bytes, limits: ImageSettings = LIMITS) -> ByteArray:
    return decode_image(data, limits, SAM)


@pytest.fixture(scope="module")
def rgb() -> ByteArray:
    return drawings.shapes(0, SIZE_HW)


@pytest.mark.parametrize("format", ["PNG", "BMP", "TIFF"])
def test_lossless_formats_come_back_as_they_were(rgb: ByteArray, format: str) -> None:
    found = decoded(encoded(Image.fromarray(rgb), format))
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found, rgb)


def test_grayscale_becomes_three_equal_channels(rgb: ByteArray) -> None:
    gray = Image.fromarray(rgb).convert("L")
    expected = np.repeat(np.asarray(gray)[:, :, None], 3, axis=2)
    np.testing.assert_array_equal(decoded(encoded(gray)), expected)
    with_alpha = gray.convert("LA")
    with_alpha.putalpha(7)
    np.testing.assert_array_equal(decoded(encoded(with_alpha)), expected)


def test_transparency_is_dropped(rgb: ByteArray) -> None:
    image = Image.fromarray(rgb)
    image.putalpha(0)
    np.testing.assert_array_equal(decoded(encoded(image)), rgb)


@pytest.mark.parametrize("transparency", [None, 0, bytes(range(0, 200, 20))])
def test_palettes(rgb: ByteArray, transparency: Any) -> None:
    image = Image.fromarray(rgb).quantize(10)
    options = {} if transparency is None else {"transparency": transparency}
    found = decoded(encoded(image, **options))
    np.testing.assert_array_equal(found, np.asarray(image.convert("RGB")))


def test_sixteen_bits_keep_the_high_byte() -> None:
    values = np.random.default_rng(0).integers(0, 2**16, SIZE_HW).astype(np.uint16)
    for format in ("PNG", "TIFF"):
        found = decoded(encoded(Image.fromarray(values), format))
        np.testing.assert_array_equal(found, np.repeat((values >> 8)[:, :, None], 3, axis=2))


def test_cmyk_looks_as_it_did(rgb: ByteArray) -> None:
    # Large enough for JPEG's blocks to hold the shapes.
    large = Image.fromarray(rgb).resize((360, 240), Image.Resampling.NEAREST)
    found = decoded(encoded(large.convert("CMYK"), "JPEG", quality=95))
    assert np.abs(found.astype(int) - np.asarray(large)).mean() < 3


# EXIF orientation -> what turns the stored picture upright.
UPRIGHT: dict[int, Any] = {
    1: lambda a: a,
    2: np.fliplr,
    3: lambda a: np.rot90(a, 2),
    4: np.flipud,
    5: lambda a: a.transpose(1, 0, 2),
    6: lambda a: np.rot90(a, -1),
    7: lambda a: np.rot90(a, 2).transpose(1, 0, 2),
    8: lambda a: np.rot90(a, 1),
}


@pytest.mark.parametrize("orientation", UPRIGHT)
def test_images_are_turned_upright(rgb: ByteArray, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    found = decoded(encoded(Image.fromarray(rgb), exif=exif))
    np.testing.assert_array_equal(found, UPRIGHT[orientation](rgb))


def test_of_a_cameras_two_pictures_the_first_is_taken(rgb: ByteArray) -> None:
    """Phones put a depth map or a preview behind the picture: MPO, in a file called .jpg."""
    picture = Image.fromarray(rgb)
    mpo = encoded(picture, "MPO", save_all=True, append_images=[Image.new("RGB", (9, 9))])
    np.testing.assert_array_equal(decoded(mpo), decoded(encoded(picture, "JPEG")))


@pytest.fixture(scope="module")
def unusual() -> dict[str, tuple[bytes, tuple[int, int]]]:
    return unusual_images()


@pytest.mark.parametrize("name", unusual_images())
def test_unusual_images_are_decoded(
    unusual: dict[str, tuple[bytes, tuple[int, int]]], name: str
) -> None:
    data, size_hw = unusual[name]
    assert decoded(data).shape == (*size_hw, 3)


@pytest.fixture(scope="module")
def bad() -> dict[str, tuple[bytes, str]]:
    return bad_images()


@pytest.mark.parametrize("name", bad_images())
def test_bad_images_are_refused_with_the_reason(
    bad: dict[str, tuple[bytes, str]], name: str
) -> None:
    data, words = bad[name]
    with pytest.raises(InvalidInputError) as caught:
        decoded(data)
    assert words in str(caught.value)


def test_limits_are_inclusive(rgb: ByteArray) -> None:
    data = encoded(Image.fromarray(rgb))
    exact = ImageSettings(min_side=24, max_pixels=24 * 36, max_bytes=len(data))
    assert decoded(data, exact).shape == rgb.shape
    for limits, words in (
        (ImageSettings(min_side=25), "36x24 pixels; each side must have at least 25"),
        (ImageSettings(max_pixels=24 * 36 - 1), "36x24 pixels; at most 863 in all"),
        (ImageSettings(max_bytes=len(data) - 1), f"{len(data)} bytes; at most {len(data) - 1}"),
    ):
        with pytest.raises(InvalidInputError) as caught:
            decoded(data, limits)
        assert words in str(caught.value)


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "BMP", "TIFF", "TIFF of two"])
def test_damage_never_raises_anything_else(rgb: ByteArray, format: str) -> None:
    """Decoders raise whatever they meet; here it must come out as the user's mistake."""
    image = Image.fromarray(rgb)
    more = {"save_all": True, "append_images": [image]} if format == "TIFF of two" else {}
    data = encoded(image, format.split()[0], **more)
    rng = np.random.default_rng(0)
    refused = 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow's, of what it found damaged
        for _ in range(400):
            damaged = bytearray(data)
            for _ in range(rng.integers(1, 6)):
                # Headers stand at an end of the file: at its start, or a TIFF's at its end.
                near = min(len(data), 150)
                damaged[rng.integers(-near, near)] = rng.integers(256)
            try:
                decoded(bytes(damaged))
            except InvalidInputError:
                refused += 1
    assert refused > 20


@pytest.mark.parametrize("size_hw", [(480, 640), (37, 1000), (333, 334), (9, 9), (1000, 63)])
def test_resized_hw_is_that_of_segment_anything(size_hw: tuple[int, int]) -> None:
    for longest_side in (64, 256, 1024):
        expected = ResizeLongestSide.get_preprocess_shape(*size_hw, longest_side)
        assert resized_hw(size_hw, longest_side) == expected


def test_the_shorter_side_keeps_at_least_one_pixel() -> None:
    assert resized_hw((1, 500), 64) == (1, 64)


@pytest.mark.parametrize("size_hw", [(48, 90), (90, 48), (20, 20), (200, 33)])
def test_sam_pixels_are_those_of_segment_anything(size_hw: tuple[int, int]) -> None:
    rgb = drawings.shapes(1, size_hw)
    settings = analytic_sam.SETTINGS
    resized = ResizeLongestSide(settings.image_size).apply_image(rgb)
    expected = analytic_sam.reference_sam().preprocess(
        torch.as_tensor(resized).permute(2, 0, 1)[None].contiguous()
    )
    found = sam_pixel_values(rgb, settings)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected.numpy(), atol=1e-6)


@pytest.mark.parametrize("size_hw", [(48, 90), (200, 33)])
def test_segmenter_pixels_are_those_of_transformers(size_hw: tuple[int, int]) -> None:
    rgb = drawings.shapes(2, size_hw)
    settings = SegmenterSettings(
        height=40, width=56, logits_height=10, logits_width=14, labels=("a", "b")
    )
    processor = SegformerImageProcessorPil(size={"height": 40, "width": 56})
    expected = processor(Image.open(io.BytesIO(encoded(Image.fromarray(rgb)))))["pixel_values"]
    found = segmenter_pixel_values(rgb, settings)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, np.stack(expected), atol=1e-5)
