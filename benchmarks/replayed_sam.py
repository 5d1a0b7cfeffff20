"""A SAM whose networks answer at once, with what they said before: what is left is the rest.

Both sides get the same recorded answers: segment-anything's generator around `replaying_sam`, and
`MaskGenerator` with the functions of `Recording`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from ssa_backend.masks.generation import FloatArray
from ssa_backend.masks.grid import plan_crops
from ssa_backend.settings import MaskSettings, SamSettings
from tests.reference.segment_anything_sam import load_sam

BATCH = 64  # prompts at a time while recording


@dataclass(frozen=True)
class Recording:
    """What the decoder says to every prompt of an image's grid.

    Attributes:
        prompts: float32 [P, 2], x and y in pixels of the encoder's input.
        logits: float32 [P, 3, M, M].
        ious: float32 [P, 3].
    """

    prompts: FloatArray
    logits: FloatArray
    ious: FloatArray

    @classmethod
    def of(cls, folder: Path, rgb: npt.NDArray[np.uint8], settings: MaskSettings) -> Recording:
        """Ask the checkpoint in `folder`, run by segment-anything."""
        sam = load_sam(folder)
        from segment_anything import SamPredictor

        predictor = SamPredictor(sam)
        with torch.inference_mode():
            predictor.set_image(rgb)
            size_hw = (rgb.shape[0], rgb.shape[1])
            (crop, *_) = plan_crops(size_hw, settings)
            prompts = predictor.transform.apply_coords(crop.points, size_hw).astype(np.float32)
            answers = [
                cls._ask(sam, predictor.features, torch.as_tensor(prompts[start : start + BATCH]))
                for start in range(0, len(prompts), BATCH)
            ]
        logits, ious = (np.concatenate(parts) for parts in zip(*answers, strict=True))
        return cls(prompts, logits, ious)

    @staticmethod
    def _ask(sam: Any, features: torch.Tensor, points: torch.Tensor) -> tuple[Any, Any]:
        labels = torch.ones((len(points), 1), dtype=torch.int)
        sparse, dense = sam.prompt_encoder((points[:, None], labels), None, None)
        logits, ious = sam.mask_decoder(
            image_embeddings=features,
            image_pe=sam.prompt_encoder.get_dense_pe(),
            sparse_prompt_embeddings=sparse,
            dense_prompt_embeddings=dense,
            multimask_output=True,
        )
        return logits.numpy(), ious.numpy()

    def rows(self, prompts: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
        """Which prompts [P, 1, 2] these are."""
        key = self.prompts.astype(np.float64) @ [1.0, 1e6]
        order = np.argsort(key)
        wanted = prompts.reshape(-1, 2).astype(np.float64) @ [1.0, 1e6]
        return order[np.searchsorted(key[order], wanted - 0.5)]

    def decode(
        self, _: FloatArray, points: FloatArray, labels: npt.NDArray[np.int64], min_iou: float
    ) -> tuple[FloatArray, FloatArray]:
        """See `ssa_backend.masks.generation.Decode`."""
        rows = self.rows(points)
        ious = self.ious[rows]
        return self.logits[rows][ious > min_iou], ious


def replaying_sam(recording: Recording, settings: SamSettings) -> Any:
    """segment-anything's `Sam`, real but for its networks."""
    from segment_anything.modeling import Sam

    class Encoder(torch.nn.Module):
        img_size = settings.image_size

        def forward(self, pixels: torch.Tensor) -> torch.Tensor:
            return torch.zeros(1)

    class PromptEncoder(torch.nn.Module):
        def forward(self, points: Any, boxes: None, masks: None) -> tuple[Any, None]:
            return points[0], None

        def get_dense_pe(self) -> None:
            return None

    class Decoder(torch.nn.Module):
        def forward(self, sparse_prompt_embeddings: torch.Tensor, **_: Any) -> tuple[Any, Any]:
            rows = recording.rows(sparse_prompt_embeddings.numpy())
            return torch.as_tensor(recording.logits[rows]), torch.as_tensor(recording.ious[rows])

    return Sam(
        Encoder(),
        PromptEncoder(),
        Decoder(),
        pixel_mean=list(settings.mean),
        pixel_std=list(settings.std),
    ).eval()
