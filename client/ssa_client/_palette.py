"""One colour per class id, the same in every picture, and as unlike the others as can be."""

from __future__ import annotations

from functools import cache

import numpy as np
import numpy.typing as npt

_COLORS = 256  # ids beyond start again
_FIRST_RGB = (128, 64, 128)
_GRID = np.linspace(0.0, 1.0, 17)  # candidate values of each channel
# Darker and paler colours drown in the photo, grays are the photo's own, and the most saturated
# ones outshine everything beside them.
_LIGHTNESS = (0.5, 0.86)
_CHROMA = (0.09, 0.22)
# The photo's own light and shade change how light a colour looks, so hue must do more of the work.
_LIGHTNESS_WEIGHT = 0.7

# Björn Ottosson's OKLab: in it, distance is how different two colours look.
_LMS_FROM_RGB = np.array(
    [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ]
)
_LAB_FROM_LMS = np.array(
    [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ]
)


def class_colors(class_ids: npt.ArrayLike) -> npt.NDArray[np.uint8]:
    """The colours of `class_ids`, an array of any shape: uint8 [..., 3] RGB."""
    colors: npt.NDArray[np.uint8] = _palette()[np.asarray(class_ids, np.int64) % _COLORS]
    return colors


@cache
def _palette() -> npt.NDArray[np.uint8]:
    """[256, 3]: each colour is the candidate that is farthest from all colours before it.

    So the few classes of one data set, whose ids are low, get the colours most unlike each other.
    """
    rgb = np.stack(np.meshgrid(_GRID, _GRID, _GRID, indexing="ij"), axis=-1).reshape(-1, 3)
    lab = _oklab(rgb)
    chroma = np.hypot(lab[:, 1], lab[:, 2])
    usable = _between(lab[:, 0], *_LIGHTNESS) & _between(chroma, *_CHROMA)
    rgb, lab = rgb[usable], lab[usable] * (_LIGHTNESS_WEIGHT, 1.0, 1.0)

    first = np.abs(rgb - np.array(_FIRST_RGB) / 255).sum(axis=1)
    chosen = [int(first.argmin())]
    distance = np.full(len(lab), np.inf)
    while len(chosen) < _COLORS:
        distance = np.minimum(distance, np.linalg.norm(lab - lab[chosen[-1]], axis=1))
        chosen.append(int(distance.argmax()))
    palette: npt.NDArray[np.uint8] = np.round(rgb[chosen] * 255).astype(np.uint8)
    return palette


def _between(values: npt.NDArray[np.float64], low: float, high: float) -> npt.NDArray[np.bool_]:
    return np.logical_and(values > low, values < high)


def _oklab(rgb: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """OKLab of sRGB colours [N, 3] on the scale 0..1."""
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    lab: npt.NDArray[np.float64] = np.cbrt(linear @ _LMS_FROM_RGB.T) @ _LAB_FROM_LMS.T
    return lab
