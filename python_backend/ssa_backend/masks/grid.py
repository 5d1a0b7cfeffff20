"""Where mask generation looks: crops of the image and the grid of prompts in each.

Source: segment-anything `utils/amg.py` (`build_point_grid`, `generate_crop_boxes`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import product

import numpy as np
import numpy.typing as npt

from ssa_backend.settings import MaskSettings


@dataclass(frozen=True)
class Crop:
    """A part of the image that SAM sees on its own.

    `box_xyxy` is (x0, y0, x1, y1) in pixels of the image, x1 and y1 exclusive. `points` is float64
    [P, 2]: the prompts, x and y in pixels of the crop.
    """

    box_xyxy: tuple[int, int, int, int]
    points: npt.NDArray[np.float64]

    @property
    def size_hw(self) -> tuple[int, int]:
        """Height and width in pixels."""
        x0, y0, x1, y1 = self.box_xyxy
        return y1 - y0, x1 - x0

    @property
    def coarse(self) -> npt.NDArray[np.bool_]:
        """Which prompts lie in every second row and every second column of the grid, bool [P]."""
        even = np.arange(math.isqrt(len(self.points))) % 2 == 0
        both: npt.NDArray[np.bool_] = even[:, None] & even
        return both.ravel()

    def only(self, prompts: npt.NDArray[np.bool_]) -> Crop:
        """The same crop with some of its prompts, bool [P]."""
        return Crop(self.box_xyxy, self.points[prompts])

    def pixels(self, image_height: int) -> npt.NDArray[np.int64]:
        """The pixel under each prompt, as column-major flat index in the image, int64 [P]."""
        x, y = (self.points + self.box_xyxy[:2]).astype(np.int64).T
        pixels: npt.NDArray[np.int64] = x * image_height + y
        return pixels


def plan_crops(size_hw: tuple[int, int], settings: MaskSettings) -> list[Crop]:
    """The whole image first, then layer by layer 4, 16, ... overlapping crops.

    Layer `i` has `2**i` crops a side, which overlap by `crop_overlap_ratio` of the image's shorter
    side shared out over the layer, and `points_per_side / crop_n_points_downscale_factor**i`
    prompts a side.
    """
    height, width = size_hw
    crops = [Crop((0, 0, width, height), _grid(settings.points_per_side, size_hw))]
    for layer in range(1, settings.crop_n_layers + 1):
        per_side = 2**layer
        overlap = int(settings.crop_overlap_ratio * min(size_hw) * (2 / per_side))
        crop_width = math.ceil((overlap * (per_side - 1) + width) / per_side)
        crop_height = math.ceil((overlap * (per_side - 1) + height) / per_side)
        downscale = settings.crop_n_points_downscale_factor**layer
        points_per_side = max(int(settings.points_per_side / downscale), 1)
        for i, j in product(range(per_side), range(per_side)):
            x0, y0 = (crop_width - overlap) * i, (crop_height - overlap) * j
            box = (x0, y0, min(x0 + crop_width, width), min(y0 + crop_height, height))
            crop_hw = (box[3] - box[1], box[2] - box[0])
            if min(crop_hw) > 0:  # of a small image, fewer crops than `per_side` may cover it
                crops.append(Crop(box, _grid(points_per_side, crop_hw)))
    return crops


def _grid(points_per_side: int, size_hw: tuple[int, int]) -> npt.NDArray[np.float64]:
    """Prompts in the middle of `points_per_side` x `points_per_side` cells, row by row."""
    ticks = (np.arange(points_per_side) + 0.5) / points_per_side
    x, y = np.meshgrid(ticks, ticks)
    return np.stack([x.ravel() * size_hw[1], y.ravel() * size_hw[0]], axis=1)
