"""Pictures to segment: plain shapes on a gradient, from a seed."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt


def shapes(seed: int, size_hw: tuple[int, int]) -> npt.NDArray[np.uint8]:
    """[H, W, 3] uint8."""
    rng = np.random.default_rng(seed)
    height, width = size_hw
    image = np.empty((height, width, 3), np.uint8)
    image[...] = np.linspace(40, 160, width)[None, :, None] * np.array([0.6, 0.9, 1.2])
    for _ in range(12):
        colour = rng.integers(0, 256, 3).tolist()
        center = (int(rng.integers(width)), int(rng.integers(height)))
        axes = tuple(int(a) for a in rng.integers(3, max(min(size_hw) // 3, 5), 2))
        if rng.random() < 0.5:
            cv2.ellipse(image, center, axes, float(rng.integers(180)), 0, 360, colour, -1)
        else:
            corner = (center[0] + axes[0], center[1] + axes[1])
            cv2.rectangle(image, center, corner, colour, -1)
    return image
