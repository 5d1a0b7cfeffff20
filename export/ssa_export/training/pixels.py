"""Stored crops become network inputs."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

FloatArray = npt.NDArray[np.float32]

CLIP_MEAN: Final = np.array([0.48145466, 0.4578275, 0.40821073], np.float32)
CLIP_STD: Final = np.array([0.26862954, 0.26130258, 0.27577711], np.float32)
IMAGENET_MEAN: Final = np.array([0.485, 0.456, 0.406], np.float32)
IMAGENET_STD: Final = np.array([0.229, 0.224, 0.225], np.float32)


def network_input(
    crops: npt.NDArray[np.uint8],
    mirrored: npt.NDArray[np.bool_],
    mean: FloatArray,
    std: FloatArray,
) -> Tensor:
    """uint8 [B, S, S, 3] RGB to float32 [B, 3, S, S], normalised, `mirrored` [B] ones flipped."""
    turned = flipped(crops, mirrored)
    pixels = (turned.astype(np.float32) / 255 - mean) / std
    return torch.from_numpy(np.ascontiguousarray(pixels.transpose(0, 3, 1, 2)))


def flipped(crops: npt.NDArray[np.uint8], mirrored: npt.NDArray[np.bool_]) -> npt.NDArray[np.uint8]:
    """`crops`, [B, H, W, ...], those that `mirrored` [B] names turned left to right."""
    turned = crops.copy()
    turned[mirrored] = turned[mirrored, :, ::-1]
    return turned
