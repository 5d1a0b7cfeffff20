"""A SAM whose networks are formulas: segment-anything's own `Sam` around them, and functions.

Random weights give masks that are alike everywhere; these differ from prompt to prompt, follow the
image, touch borders, repeat each other and have holes and islands, so that every filter of mask
generation has something to do. Both forms call the same `encode` and `decode`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from ssa_backend.settings import SamSettings
from tests.reference import torchvision_functions

FloatArray = npt.NDArray[np.float32]

GRID = 32
SETTINGS = SamSettings(image_size=64, embed_dim=3, embed_size=GRID, mask_size=GRID)


def encode(pixels: FloatArray) -> FloatArray:
    """The picture in small is its own embedding; [N, 3, 64, 64] to [N, 3, 32, 32]."""
    small: FloatArray = pixels.reshape(-1, 3, GRID, 2, GRID, 2).mean(axis=(3, 5))
    return small


def decode(
    embedding: FloatArray, points: FloatArray, labels: npt.NDArray[np.int64], min_iou: float
) -> tuple[FloatArray, FloatArray]:
    """See `ssa_backend.masks.generation.Decode`."""
    masks, ious = decode_all(embedding, points, labels)
    return masks[ious > min_iou], ious


def decode_all(
    embedding: FloatArray, points: FloatArray, labels: npt.NDArray[np.int64]
) -> tuple[FloatArray, FloatArray]:
    """What has the colour at the prompt and is near it, in three radii: [P, 3, G, G], [P, 3]."""
    assert labels.all()
    assert labels.shape == points.shape[:2]
    x, y = (points[:, 0] * np.float32(GRID / SETTINGS.image_size)).T  # [P], in cells
    at = (slice(None), y.astype(int).clip(0, GRID - 1), x.astype(int).clip(0, GRID - 1))
    colour = embedding[0][at].T  # [P, 3]
    difference = np.abs(embedding[0] - colour[:, :, None, None]).sum(axis=1)  # [P, G, G]
    rows, columns = np.mgrid[:GRID, :GRID].astype(np.float32) + np.float32(0.5)
    distance = np.hypot(columns - x[:, None, None], rows - y[:, None, None])
    # Speckles for the region cleaning; none of them at the prompt, so that no mask is empty.
    speckles = 7 * np.sin(1.9 * columns) * np.sin(2.3 * rows) * (distance > 2)
    masks = [
        25 - 12 * difference - 6 * np.maximum(distance - radius, -3) + amount * speckles
        for radius, amount in ((3.0, 0.0), (7.0, 1.0), (30.0, 3.0))
    ]
    phase = 12.9898 * x[:, None] + 78.233 * y[:, None] + np.arange(3)
    ious = 0.8 + 0.2 * np.sin(phase)
    return np.stack(masks, axis=1).astype(np.float32), ious.astype(np.float32)


class _Encoder(torch.nn.Module):
    img_size = SETTINGS.image_size

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        return torch.as_tensor(encode(pixels.numpy()))


class _PromptEncoder(torch.nn.Module):
    """Hands the prompts through, in the place of their embeddings."""

    def forward(self, points: Any, boxes: None, masks: None) -> tuple[torch.Tensor, torch.Tensor]:
        coordinates, labels = points
        return coordinates.float(), labels

    def get_dense_pe(self) -> None:
        return None


class _MaskDecoder(torch.nn.Module):
    def forward(
        self,
        image_embeddings: torch.Tensor,
        image_pe: None,
        sparse_prompt_embeddings: torch.Tensor,
        dense_prompt_embeddings: torch.Tensor,
        multimask_output: bool,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        assert multimask_output
        masks, ious = decode_all(
            image_embeddings.numpy(),
            sparse_prompt_embeddings.numpy(),
            dense_prompt_embeddings.numpy(),
        )
        return torch.as_tensor(masks), torch.as_tensor(ious)


def reference_sam() -> Any:
    """segment-anything's `Sam` around the formulas; how it prepares and post-processes is real."""
    torchvision_functions.install()
    from segment_anything.modeling import Sam

    return Sam(
        _Encoder(),
        _PromptEncoder(),
        _MaskDecoder(),
        pixel_mean=list(SETTINGS.mean),
        pixel_std=list(SETTINGS.std),
    ).eval()
