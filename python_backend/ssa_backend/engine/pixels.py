"""Crops as the engine's networks read them.

Sources: transformers' `CLIPImageProcessor`, `BlipImageProcessor` and, for CLIPSeg, the original
SSA, which switches the processor's resizing off and resizes the normalised pixels.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from ssa_backend.engine.crops import Crop
from ssa_backend.engine.resizing import FloatArray, bicubic, bicubic_centre_square, bilinear
from ssa_backend.settings import BlipSettings, ClipSegSettings, ClipSettings


def clip_pixel_values(crops: Sequence[Crop], clip: ClipSettings) -> FloatArray:
    """Shorter side to S (bicubic), the centre square, normalised; float32 [B, 3, S, S]."""
    squares = [bicubic_centre_square(crop.rgb, clip.image_size) for crop in crops]
    return _normalised(squares, clip.mean, clip.std)


def blip_pixel_values(crops: Sequence[Crop], blip: BlipSettings) -> FloatArray:
    """Both sides to S (bicubic), normalised; float32 [B, 3, S, S]."""
    size_hw = (blip.image_size, blip.image_size)
    return _normalised([bicubic(crop.rgb, size_hw) for crop in crops], blip.mean, blip.std)


def clipseg_pixel_values(crops: Sequence[Crop], clipseg: ClipSegSettings) -> FloatArray:
    """Normalised and both sides to S (bilinear, no antialiasing); float32 [B, 3, S, S].

    Interpolated pixels are normalised here, instead of normalised ones interpolated: the weights
    of a pixel add up to 1, so it is the same, and less work where a crop is large.
    """
    size_hw = (clipseg.image_size, clipseg.image_size)
    squares = [bilinear(crop.rgb, size_hw) for crop in crops]
    return _normalised(squares, clipseg.mean, clipseg.std)


def _normalised(
    squares: Sequence[npt.NDArray[np.uint8] | FloatArray],
    mean: tuple[float, ...],
    std: tuple[float, ...],
) -> FloatArray:
    """Squares [S, S, 3] on the scale 0..255 as a batch, channels first."""
    side = squares[0].shape[0]
    batch = np.empty((len(squares), 3, side, side), np.float32)
    for pixels, square in zip(batch, squares, strict=True):
        pixels[:] = square.transpose(2, 0, 1)
    batch -= np.asarray(mean, np.float32)[:, None, None]
    batch /= np.asarray(std, np.float32)[:, None, None]
    return batch
