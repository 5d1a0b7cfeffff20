"""Pictures inside a page: made small, and written as data URIs."""

from __future__ import annotations

import base64
import io

from PIL import Image


def fitted(size_wh: tuple[int, int], longest_side: int) -> tuple[int, int]:
    """The width and height of a picture that is shrunk to `longest_side` pixels where it must."""
    scale = min(1.0, longest_side / max(size_wh))
    return max(1, round(size_wh[0] * scale)), max(1, round(size_wh[1] * scale))


def data_uri(picture: Image.Image, quality: int = 88) -> str:
    """`picture` as a JPEG in a URI."""
    buffer = io.BytesIO()
    # Without subsampled colour: thin classes would take the hue of what is beside them.
    picture.save(buffer, "JPEG", quality=quality, subsampling=0, optimize=True)
    return f"data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode('ascii')}"
