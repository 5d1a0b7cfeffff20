"""Images in every shape that users send them in, good and bad."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any

import numpy as np
from PIL import Image

from ssa_export.scenes import render_scene

SIZE_HW = (96, 128)


def scene() -> Image.Image:
    """A small street scene."""
    return Image.fromarray(render_scene(21, size_hw=SIZE_HW).image)


def encoded(image: Image.Image, format: str = "PNG", **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format=format, **options)
    return buffer.getvalue()


def png_claiming(width: int, height: int) -> bytes:
    """A valid PNG header for an image of any size, with next to no data behind it."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        checksum = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + checksum

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    data = chunk(b"IDAT", zlib.compress(b"\0" * 1000))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + data + chunk(b"IEND", b"")


def bad_images() -> dict[str, tuple[bytes, str]]:
    """What cannot be served: the bytes, and words that the error must hold."""
    good = scene()
    jpeg = encoded(good, "JPEG")
    frames = [good, good.rotate(90), good.rotate(180)]
    return {
        "empty": (b"", "IMAGE is empty"),
        "truncated JPEG": (jpeg[: len(jpeg) // 2], "damaged JPEG"),
        "truncated PNG": (encoded(good)[:2000], "damaged PNG"),
        "header only": (jpeg[:20], "IMAGE"),
        "not an image": (b"hello world, I am a text file", "not an image"),
        "unknown format": (encoded(good.quantize(), "GIF"), "not an image"),
        "1x1": (encoded(Image.new("RGB", (1, 1))), "1x1 pixels"),
        "1x10000": (encoded(Image.new("RGB", (1, 10000))), "1x10000 pixels"),
        "too narrow": (encoded(Image.new("RGB", (8, 10000))), "times as long"),
        "animated": (encoded(good, "WEBP", save_all=True, append_images=frames[1:]), "3 frames"),
        "decompression bomb": (png_claiming(50_000, 50_000), "2500000000 pixels"),
        "a little too large": (png_claiming(8_000, 8_000), "8000x8000 pixels"),
        "larger than any PNG": (png_claiming(2**31 - 1, 2**31 - 1), "too large"),
        "100 MB blob": (b"\x5a" * 100_000_000, "100000000 bytes"),
    }


def unusual_images() -> dict[str, tuple[bytes, tuple[int, int]]]:
    """What must be served: the bytes, and the (height, width) of the answer."""
    good = scene()
    height, width = SIZE_HW
    gray = np.asarray(good.convert("L"))
    sixteen_bit = Image.fromarray(gray.astype(np.uint16) * 257)
    exif = Image.Exif()
    exif[0x0112] = 6  # orientation: turn by 90 degrees
    return {
        "grayscale": (encoded(good.convert("L"), "JPEG"), SIZE_HW),
        "bilevel": (encoded(good.convert("1")), SIZE_HW),
        "palette": (encoded(good.quantize()), SIZE_HW),
        "RGBA": (encoded(good.convert("RGBA")), SIZE_HW),
        "CMYK": (encoded(good.convert("CMYK"), "JPEG"), SIZE_HW),
        "16-bit": (encoded(sixteen_bit), SIZE_HW),
        "EXIF-rotated": (encoded(good, "JPEG", exif=exif), (width, height)),
        "WebP": (encoded(good, "WEBP"), SIZE_HW),
        "BMP": (encoded(good, "BMP"), SIZE_HW),
        "TIFF": (encoded(good, "TIFF"), SIZE_HW),
        "8x2000": (encoded(Image.new("RGB", (2000, 8), "teal")), (8, 2000)),
    }


BAD_PARAMETERS: dict[str, tuple[dict[str, Any], str]] = {
    "misspelt": ({"point_per_side": 8}, "did you mean 'points_per_side'?"),
    "out of range": ({"pred_iou_thresh": "1.5"}, "from 0 to 1"),
    "below its range": ({"points_per_side": 0}, "from 1 to 256"),
    "a fraction": ({"points_per_side": "7.5"}, "a whole number"),
    "words": ({"crop_n_layers": "many"}, "a whole number"),
    "a truth value": ({"crop_n_layers": True}, "a whole number"),
    "not finite": ({"box_nms_thresh": "nan"}, "from 0 to 1"),
}
