"""From whatever the caller has to the bytes of one encoded image."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from PIL import ExifTags, Image, ImageOps

from ssa_client.exceptions import ImageReadError, InvalidRequestError

ImageSource: TypeAlias = "str | os.PathLike[str] | bytes | Image.Image | npt.NDArray[np.uint8]"

# What PNG stores without loss; the server turns each of these into RGB.
_PNG_MODES = {"1", "L", "LA", "P", "RGB", "RGBA", "I", "I;16"}
# What is sent as it is, without compression, stays below the 4 MiB of a message that gRPC's proxies
# let pass by default.
_STORED_MODES = {"L", "RGB"}
_STORED_PIXELS = 2**20
# EXIF orientations that swap height and width.
_QUARTER_TURNS = (5, 6, 7, 8)


def encode_image(image: ImageSource) -> bytes:
    """The bytes to send for `image`.

    Files and bytes go as they are, so that no pixel changes on the way and the server turns a photo
    upright by its EXIF orientation. PIL images and arrays travel pixel by pixel as they stand, as
    TIFF, large ones as PNG.

    Args:
        image: a path, an encoded image, a PIL image, or uint8 [H, W, 3] RGB or [H, W] gray.

    Raises:
        ImageReadError: the file is missing or cannot be read.
        InvalidRequestError: an array of another dtype or shape, or another type altogether.
    """
    if isinstance(image, bytes):
        return image
    if isinstance(image, str | os.PathLike):
        return _read(Path(image))
    if isinstance(image, Image.Image):
        return _lossless(image)
    if isinstance(image, np.ndarray):
        return _lossless(_from_array(image))
    raise InvalidRequestError(
        f"image is a {type(image).__name__}; expected a path, bytes, a PIL image or a uint8 array."
    )


def open_image(image: ImageSource) -> Image.Image:
    """`image` as the server sees what `encode_image` makes of it: files and bytes upright.

    Raises:
        ImageReadError: the file is missing or cannot be read, or its bytes are no image.
        InvalidRequestError: an array of another dtype or shape, or another type altogether.
    """
    if isinstance(image, Image.Image):
        return image
    if isinstance(image, np.ndarray):
        return _from_array(image)
    try:
        with Image.open(io.BytesIO(encode_image(image))) as opened:
            return ImageOps.exif_transpose(opened)
    # What Pillow raises on damaged files, and on ones that claim to be huge.
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise ImageReadError(f"cannot decode the image: {error}.") from error


def size_hw_of(data: bytes) -> tuple[int, int] | None:
    """Height and width of an encoded image once it is upright, by its header alone.

    None where that does not say: whether the bytes are an image is the server's to judge.
    """
    try:
        with Image.open(io.BytesIO(data)) as image:
            turned = image.getexif().get(ExifTags.Base.Orientation, 1) in _QUARTER_TURNS
            return image.size if turned else (image.height, image.width)
    # What Pillow's parsers raise on damaged files.
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        return None


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise ImageReadError(f"cannot read image {str(path)!r}: {reason}.") from error


def _from_array(array: npt.NDArray[np.generic]) -> Image.Image:
    is_image = array.ndim == 2 or (array.ndim == 3 and array.shape[2] == 3)
    if array.dtype != np.uint8 or not is_image or array.size == 0:
        raise InvalidRequestError(
            f"image is an array of {array.dtype} {list(array.shape)}; "
            "expected uint8 [H, W, 3] (RGB) or [H, W]."
        )
    return Image.fromarray(array)


def _lossless(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    if image.mode in _STORED_MODES and image.width * image.height <= _STORED_PIXELS:
        # To compress takes longer than the bytes that it saves need on a network of 100 Mbit/s.
        image.save(buffer, "TIFF")
    else:
        image = image if image.mode in _PNG_MODES else image.convert("RGB")
        image.save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()
