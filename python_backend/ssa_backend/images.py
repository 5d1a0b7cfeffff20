"""An encoded image becomes RGB pixels, and pixels become a network's input.

Resizing goes through Pillow, as in segment-anything's `ResizeLongestSide` and transformers' image
processors, so that what a network sees equals what its PyTorch source would see.
"""

from __future__ import annotations

import io
import warnings

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps, UnidentifiedImageError

from ssa_backend.errors import InvalidInputError
from ssa_backend.settings import ImageSettings, SamSettings, SegmenterSettings

FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF")
_SIXTEEN_BIT_MODES = ("I;16", "I;16L", "I;16B", "I;16N", "I")


def decode_image(
    data: bytes, limits: ImageSettings, sam: SamSettings | None = None
) -> npt.NDArray[np.uint8]:
    """Decode one image file to RGB, upright by its EXIF orientation.

    Grayscale, palette, CMYK and 16-bit images are converted; transparency is dropped, as OpenCV
    drops it.

    Args:
        data: the file.
        limits: of its size.
        sam: whose encoder is to read it, if one is.

    Returns:
        [H, W, 3] uint8.

    Raises:
        InvalidInputError: `data` is empty, too large, no image of a known format, truncated,
            animated, or of a size outside `limits` or too narrow for SAM's encoder.
    """
    if not data:
        raise InvalidInputError(f"IMAGE is empty; expected one encoded image ({_formats()}).")
    if len(data) > limits.max_bytes:
        raise InvalidInputError(
            f"IMAGE has {len(data)} bytes; at most {limits.max_bytes} are accepted."
        )
    with warnings.catch_warnings():
        # Pillow warns of large images by its own measure; `limits` is ours.
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        image = _open(data)
        _check_frames(image, data)
        _check_size(image.size, limits, sam)
        try:
            image.load()
            upright = ImageOps.exif_transpose(image)
        except Exception as error:  # decoders raise OSError, SyntaxError, ValueError, struct.error
            raise _damaged(image, data, error) from error
    return np.asarray(_to_rgb(upright))


def _formats() -> str:
    return f"{', '.join(FORMATS[:-1])} or {FORMATS[-1]}"


def _open(data: bytes) -> Image.Image:
    try:
        return Image.open(io.BytesIO(data), formats=FORMATS)
    except UnidentifiedImageError:
        raise InvalidInputError(
            f"IMAGE is not an image that can be read: {len(data)} bytes starting with "
            f"{data[:8]!r}; expected {_formats()}."
        ) from None
    except Image.DecompressionBombError as error:
        raise InvalidInputError(f"IMAGE is too large: {error}") from error
    except Exception as error:  # a header that promises a format and breaks its rules
        raise InvalidInputError(f"IMAGE cannot be read: {error}.") from error


def _damaged(image: Image.Image, data: bytes, error: Exception) -> InvalidInputError:
    return InvalidInputError(f"IMAGE is a damaged {image.format} of {len(data)} bytes: {error}.")


def _check_frames(image: Image.Image, data: bytes) -> None:
    if image.format == "MPO":
        return  # a camera's JPEG with a preview or a depth map behind the picture itself
    try:
        frames = getattr(image, "n_frames", 1)
    except Exception as error:  # a TIFF is read to its end for it
        raise _damaged(image, data, error) from error
    if frames > 1:
        raise InvalidInputError(
            f"IMAGE is a {image.format} of {frames} frames; expected a single image."
        )


def _check_size(size_wh: tuple[int, int], limits: ImageSettings, sam: SamSettings | None) -> None:
    width, height = size_wh
    found = f"IMAGE is {width}x{height} pixels"
    if min(size_wh) < limits.min_side:
        raise InvalidInputError(f"{found}; each side must have at least {limits.min_side}.")
    if width * height > limits.max_pixels:
        raise InvalidInputError(f"{found}; at most {limits.max_pixels} in all are accepted.")
    if sam is None:
        return
    longest_ratio = 2 * sam.image_size  # beyond it the short side rounds to nothing
    if max(size_wh) > longest_ratio * min(size_wh):
        raise InvalidInputError(
            f"{found}; one side may be at most {longest_ratio} times as long as the other."
        )


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode in _SIXTEEN_BIT_MODES:
        # Pillow's own conversion clips at 255; keep the high byte instead.
        values = np.asarray(image).astype(np.int64)
        return Image.fromarray((values.clip(0, 65535) >> 8).astype(np.uint8)).convert("RGB")
    if image.mode == "P":
        # A palette may carry transparency of its own.
        image = image.convert("RGBA" if "transparency" in image.info else "RGB")
    return image.convert("RGB")


def resized_hw(size_hw: tuple[int, int], longest_side: int) -> tuple[int, int]:
    """Height and width once the longer side is `longest_side` pixels.

    As segment-anything's `ResizeLongestSide.get_preprocess_shape` rounds it, at least 1.
    """
    scale = longest_side / max(size_hw)
    return max(int(size_hw[0] * scale + 0.5), 1), max(int(size_hw[1] * scale + 0.5), 1)


def sam_pixel_values(rgb: npt.NDArray[np.uint8], sam: SamSettings) -> npt.NDArray[np.float32]:
    """The encoder's input: longest side resized, normalised, then padded right and below with 0.

    Source: segment-anything `SamPredictor.set_image` and `Sam.preprocess`.

    Args:
        rgb: [H, W, 3] uint8.

    Returns:
        [1, 3, S, S] float32, S being `sam.image_size`.
    """
    height, width = resized_hw((rgb.shape[0], rgb.shape[1]), sam.image_size)
    pixels = np.zeros((1, 3, sam.image_size, sam.image_size), np.float32)
    pixels[0, :, :height, :width] = _normalised(rgb, (height, width), sam.mean, sam.std)
    return pixels


def segmenter_pixel_values(
    rgb: npt.NDArray[np.uint8], segmenter: SegmenterSettings
) -> npt.NDArray[np.float32]:
    """The segmenter's input: resized to its size, aspect ratio not kept, and normalised.

    Source: transformers `SegformerImageProcessor`.

    Args:
        rgb: [H, W, 3] uint8.

    Returns:
        [1, 3, h, w] float32.
    """
    size_hw = (segmenter.height, segmenter.width)
    return _normalised(rgb, size_hw, segmenter.mean, segmenter.std)[None]


def _normalised(
    rgb: npt.NDArray[np.uint8],
    size_hw: tuple[int, int],
    mean: tuple[float, ...],
    std: tuple[float, ...],
) -> npt.NDArray[np.float32]:
    """`rgb` resized (bilinear, antialiased) to `size_hw`, normalised, channels first."""
    resized = Image.fromarray(rgb).resize(size_hw[::-1], Image.Resampling.BILINEAR)
    pixels = np.asarray(resized, np.float32)
    pixels -= np.asarray(mean, np.float32)
    pixels /= np.asarray(std, np.float32)
    return pixels.transpose(2, 0, 1)
