"""Masks of every kind, drawn from a seed."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

BoolImage = npt.NDArray[np.bool_]


def random_mask(rng: np.random.Generator, size_hw: tuple[int, int]) -> BoolImage:
    """Blobs, noise, a rectangle or a single pixel; never empty."""
    height, width = size_hw
    kind = rng.integers(4)
    mask = np.zeros(size_hw, np.bool_)
    if kind == 0:
        noise = rng.normal(size=size_hw).astype(np.float32)
        mask = cv2.GaussianBlur(noise, (0, 0), 2.5) > rng.uniform(-0.05, 0.1)
    elif kind == 1:
        mask = rng.random(size_hw) < rng.uniform(0.02, 0.98)
    elif kind == 2:
        y0, x0 = rng.integers(height), rng.integers(width)
        mask[y0 : rng.integers(y0, height) + 1, x0 : rng.integers(x0, width) + 1] = True
    mask[rng.integers(height), rng.integers(width)] = True
    return mask


def random_masks(seed: int, count: int, size_hw: tuple[int, int]) -> list[BoolImage]:
    rng = np.random.default_rng(seed)
    return [random_mask(rng, size_hw) for _ in range(count)]


def box_of(mask: BoolImage) -> tuple[int, int, int, int]:
    """x0, y0, x1, y1 of the smallest box around the mask, ends included."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return int(columns[0]), int(rows[0]), int(columns[-1]), int(rows[-1])
