"""A SAM checkpoint as functions of arrays, to be judged as it is served."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch.nn.functional import interpolate

from ssa_backend.images import resized_hw, sam_pixel_values
from ssa_backend.masks.generation import GeneratedMasks, MaskGenerator
from ssa_backend.settings import MaskSettings
from ssa_export.checkpoints.sam import LoadedSam
from ssa_export.scenes import Scene
from ssa_export.training.prompts import draw_prompts

FloatArray = npt.NDArray[np.float32]

MIN_OBJECT_AREA = 100
"""Pixels from which on an object counts: mask generation drops smaller regions."""


class Answer(NamedTuple):
    """What the decoder says to one prompt.

    Attributes:
        logits: float32 [3, H, W], at the image's size.
        predicted: float32 [3], the IoUs that the decoder expects.
        truth: bool [H, W], the instance asked for.
    """

    logits: FloatArray
    predicted: FloatArray
    truth: npt.NDArray[np.bool_]

    def ious(self) -> FloatArray:
        """The IoUs that the masks have, float32 [3]."""
        found = self.logits > 0
        overlap = (found & self.truth).sum((1, 2))
        ious: FloatArray = (overlap / (found | self.truth).sum((1, 2))).astype(np.float32)
        return ious


class SamNetwork:
    """Encoder, decoder and mask generation of one checkpoint."""

    def __init__(self, sam: LoadedSam) -> None:
        self._model = sam.model
        self._settings = sam.settings
        self._generator = MaskGenerator(sam.settings, self.encode, self._decode_passing)

    @torch.inference_mode()
    def encode(self, pixels: FloatArray) -> FloatArray:
        """[1, 3, S, S] -> [1, C, G, G]."""
        embedding = self._model.vision_encoder(torch.from_numpy(pixels)).last_hidden_state
        return np.asarray(embedding.numpy())

    @torch.inference_mode()
    def decode(
        self, embedding: FloatArray, points: FloatArray, labels: npt.NDArray[np.int64]
    ) -> tuple[FloatArray, FloatArray]:
        """[1, C, G, G], [P, 1, 2], [P, 1] -> logits [P, 3, M, M], predicted IoUs [P, 3]."""
        out = self._model(
            image_embeddings=torch.from_numpy(embedding),
            input_points=torch.from_numpy(points)[None],
            input_labels=torch.from_numpy(labels)[None],
        )
        return out.pred_masks[0].numpy(), out.iou_scores[0].numpy()

    def _decode_passing(
        self,
        embedding: FloatArray,
        points: FloatArray,
        labels: npt.NDArray[np.int64],
        min_iou: float,
    ) -> tuple[FloatArray, FloatArray]:
        """See `ssa_backend.masks.generation.Decode`."""
        masks, ious = self.decode(embedding, points, labels)
        return masks[ious > min_iou], ious

    def generate(self, rgb: npt.NDArray[np.uint8], settings: MaskSettings) -> GeneratedMasks:
        """Everything in an image, uint8 [H, W, 3]."""
        embedding = self.encode(sam_pixel_values(rgb, self._settings))
        return self._generator.generate(rgb, embedding, settings)

    def ask(self, scene: Scene, rng: np.random.Generator, count: int) -> Iterator[Answer]:
        """Prompt with `count` points, half of them drawn by object and half by pixel."""
        size_hw = (scene.image.shape[0], scene.image.shape[1])
        side = self._settings.image_size
        ids = scene.instance_map.astype(np.int64)
        points, targets = draw_prompts(rng, ids, count, 0.5, MIN_OBJECT_AREA)
        scale_xy = np.array(resized_hw(size_hw, side))[::-1] / size_hw[::-1]
        masks, predicted = self.decode(
            self.encode(sam_pixel_values(scene.image, self._settings)),
            (points * scale_xy).astype(np.float32)[:, None],
            np.ones((count, 1), np.int64),
        )
        for low_res, scores, target in zip(masks, predicted, targets, strict=True):
            yield Answer(_upsampled(low_res, size_hw, side), scores, ids == target)


def _upsampled(low_res: FloatArray, size_hw: tuple[int, int], side: int) -> FloatArray:
    """Logits [3, M, M] at the image's size, as segment-anything's `Sam.postprocess_masks` does."""
    height, width = resized_hw(size_hw, side)
    square = interpolate(torch.from_numpy(low_res)[None], (side, side), mode="bilinear")
    full = interpolate(square[..., :height, :width], size_hw, mode="bilinear")
    return np.asarray(full[0].numpy())
