"""Resizing as the networks' sources do it, down to the rounding."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from PIL import Image

from ssa_backend.interpolation import Taps

Uint8Array = npt.NDArray[np.uint8]
FloatArray = npt.NDArray[np.float32]

_BICUBIC_SUPPORT = 2.0
# Pillow's weights for 8-bit pixels are whole numbers of this many bits behind the point.
_PRECISION_BITS = 22
# Above this ratio of long to short side, what a centre crop throws away is not made at all.
_STRETCHED = 16


def bicubic(image: Image.Image, size_hw: tuple[int, int]) -> Uint8Array:
    """Pillow's antialiased bicubic resize of an RGB image to [*size_hw, 3] uint8."""
    return np.asarray(image.resize(size_hw[::-1], Image.Resampling.BICUBIC))


def bicubic_centre_square(image: Image.Image, side: int) -> Uint8Array:
    """The centre of the image once its shorter side is `side` pixels long.

    Equals transformers' resize to `shortest_edge` followed by its `center_crop`, whose rounding it
    follows. Of an image many times longer than wide (a mask of a wire, say) the resized image would
    be huge, and all but the square of it in vain: there only the rows or columns of the square are
    computed, with Pillow's own weights.

    Args:
        image: RGB.
        side: pixels.

    Returns:
        [side, side, 3] uint8.
    """
    width, height = image.size
    short, long = min(height, width), max(height, width)
    resized_long = int(side * long / short)
    first = (resized_long - side) // 2
    centre = slice(first, first + side)
    if long <= _STRETCHED * short:
        wide = width > height
        size_hw = (side, resized_long) if wide else (resized_long, side)
        resized = bicubic(image, size_hw)
        return resized[:, centre] if wide else resized[centre]
    # Pillow rounds in between, and takes the columns first only where that leaves it less to do.
    rgb = np.asarray(image)
    if width > height:
        squeezed = _bicubic_rows(rgb.swapaxes(0, 1), resized_long, centre).swapaxes(0, 1)
        return bicubic(Image.fromarray(squeezed), (side, side))
    if resized_long < height:
        squeezed = _bicubic_rows(rgb, resized_long, centre)
        return bicubic(Image.fromarray(squeezed), (side, side))
    return _bicubic_rows(bicubic(image, (height, side)), resized_long, centre)


def _bicubic_rows(pixels: Uint8Array, length: int, wanted: slice) -> Uint8Array:
    """Some rows of what Pillow makes of an image by a bicubic resize to `length` rows.

    Source: Pillow's `Resample.c`: `precompute_coeffs`, `normalize_coeffs_8bpc` and
    `ImagingResampleVertical_8bpc`.

    Args:
        pixels: [h, w, 3] uint8.
        length: rows of the whole resized image.
        wanted: of them.

    Returns:
        [wanted, w, 3] uint8.
    """
    rows = len(pixels)
    scale = rows / length
    stretch = max(scale, 1.0)
    support = _BICUBIC_SUPPORT * stretch
    centres = (np.arange(wanted.start, wanted.stop) + 0.5) * scale
    low = (centres - support + 0.5).astype(np.int64).clip(0)
    high = (centres + support + 0.5).astype(np.int64).clip(max=rows)
    offsets = np.arange(int((high - low).max()))
    taps = low[:, None] + offsets
    weights = _bicubic_filter((taps - centres[:, None] + 0.5) / stretch)
    weights[taps >= high[:, None]] = 0
    # Pillow adds them up one by one.
    weights /= np.cumsum(weights, axis=1)[:, -1:]
    whole = np.trunc(weights * (1 << _PRECISION_BITS) + np.copysign(0.5, weights)).astype(np.int64)
    result = np.empty((len(taps), *pixels.shape[1:]), np.uint8)
    half = 1 << (_PRECISION_BITS - 1)
    for index, (first, last) in enumerate(zip(low, high, strict=True)):
        total = np.tensordot(whole[index, : last - first], pixels[first:last].astype(np.int64), 1)
        result[index] = ((total + half) >> _PRECISION_BITS).clip(0, 255)
    return result


def _bicubic_filter(x: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Keys' cubic with a = -0.5."""
    a = -0.5
    x = np.abs(x)
    near = ((a + 2) * x - (a + 3)) * x * x + 1
    far = (((x - 5) * x + 8) * x - 4) * a
    result: npt.NDArray[np.float64] = np.where(x < 1, near, np.where(x < 2, far, 0.0))
    return result


def bilinear(rgb: Uint8Array, size_hw: tuple[int, int]) -> FloatArray:
    """Bilinear resize without antialiasing, as `torch.nn.functional.interpolate` does it.

    Args:
        rgb: [h, w, 3] uint8.
        size_hw: of the result.

    Returns:
        [*size_hw, 3] float32.
    """
    rows, columns = Taps.of(size_hw[0], rgb.shape[0]), Taps.of(size_hw[1], rgb.shape[1])
    # What no output reads is dropped first: floats of a large crop would take much memory.
    weight = rows.fraction[:, None, None]
    lines = rgb[rows.low].astype(np.float32)
    lines *= 1 - weight
    lines += rgb[rows.high] * weight
    weight = columns.fraction[:, None]
    left: FloatArray = lines[:, columns.low] * (1 - weight)
    left += lines[:, columns.high] * weight
    return left
