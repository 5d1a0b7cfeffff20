"""Pictures by which 8 bits choose their ranges."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from ssa_backend.errors import InvalidInputError
from ssa_backend.images import decode_image
from ssa_backend.settings import RepositorySettings
from ssa_export.errors import CalibrationError
from ssa_export.scenes import render_scene, scene_seed

# More change the ranges little, and each takes the encoder's time in single precision.
IMAGES = 8
_SEED = 8


def calibration_images(
    folder: Path | None, settings: RepositorySettings
) -> list[npt.NDArray[np.uint8]]:
    """Up to `IMAGES` pictures [H, W, 3], uint8, spread over those of `folder`, or drawn streets.

    Raises:
        CalibrationError: the folder has no pictures, or one that cannot be read.
    """
    if folder is None:
        return [render_scene(scene_seed(_SEED, k)).image for k in range(IMAGES)]
    paths = sorted(path for path in folder.glob("*") if path.is_file())
    if not paths:
        raise CalibrationError(f"{folder} has no files; expected a folder of pictures.")
    chosen = np.linspace(0, len(paths) - 1, min(IMAGES, len(paths))).astype(int)
    return [_decoded(paths[index], settings) for index in chosen]


def _decoded(path: Path, settings: RepositorySettings) -> npt.NDArray[np.uint8]:
    try:
        return decode_image(path.read_bytes(), settings.images, settings.sam)
    except InvalidInputError as error:
        raise CalibrationError(f"{path} is no picture to calibrate with: {error}") from error
