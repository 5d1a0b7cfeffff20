"""Crops as the engine's networks read them.

Sources: transformers' `CLIPImageProcessor`, `BlipImageProcessor` and, for CLIPSeg, the original
SSA, which switches the processor's resizing off and resizes the normalised pixels. Pillow resizes
its own kind of image: the whole is turned into one once, which cutting crops from is cheap.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from PIL import Image

from ssa_backend.engine.crops import Window
from ssa_backend.engine.resizing import FloatArray, bicubic, bicubic_centre_square, bilinear
from ssa_backend.images import segmenter_pixel_values
from ssa_backend.settings import BlipSettings, ClipSegSettings, ClipSettings, SegmenterSettings


def clip_pixel_values(
    image: Image.Image, windows: Sequence[Window], clip: ClipSettings
) -> FloatArray:
    """Shorter side to S (bicubic), the centre square, normalised; float32 [B, 3, S, S]."""
    squares = [bicubic_centre_square(image.crop(window), clip.image_size) for window in windows]
    return _normalised(squares, clip.mean, clip.std)


def blip_pixel_values(
    image: Image.Image, windows: Sequence[Window], blip: BlipSettings
) -> FloatArray:
    """Both sides to S (bicubic), normalised; float32 [B, 3, S, S]."""
    size_hw = (blip.image_size, blip.image_size)
    squares = [bicubic(image.crop(window), size_hw) for window in windows]
    return _normalised(squares, blip.mean, blip.std)


def clipseg_pixel_values(
    rgb: npt.NDArray[np.uint8], windows: Sequence[Window], clipseg: ClipSegSettings
) -> FloatArray:
    """Normalised and both sides to S (bilinear, no antialiasing); float32 [B, 3, S, S].

    Interpolated pixels are normalised here, instead of normalised ones interpolated: the weights
    of a pixel add up to 1, so it is the same, and less work where a crop is large.
    """
    size_hw = (clipseg.image_size, clipseg.image_size)
    squares = [bilinear(window.of(rgb), size_hw) for window in windows]
    return _normalised(squares, clipseg.mean, clipseg.std)


def segmenters_pixel_values(
    rgb: npt.NDArray[np.uint8], segmenters: Sequence[SegmenterSettings]
) -> list[npt.NDArray[np.float32]]:
    """`segmenter_pixel_values` for each of them; made once for those that read alike."""
    made: dict[object, npt.NDArray[np.float32]] = {}
    result = []
    for segmenter in segmenters:
        reads = (segmenter.height, segmenter.width, segmenter.mean, segmenter.std)
        if reads not in made:
            made[reads] = segmenter_pixel_values(rgb, segmenter)
        result.append(made[reads])
    return result


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
