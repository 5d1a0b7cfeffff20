"""A mini Segformer (Xie et al., 2021) with Cityscapes' labels.

It reads a small square, so that its classes are right and its outlines soft: what Semantic Segment
Anything is there to repair, and what makes the repair visible.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import (
    SegformerConfig,
    SegformerForSemanticSegmentation,
    SegformerImageProcessor,
)

from ssa_backend.labels import CITYSCAPES
from ssa_export.scenes import UNLABELLED
from ssa_export.training.data import SceneStore
from ssa_export.training.views import random_box, view_labels, view_pixels

INPUT_SIZE: Final = 160

# The rows that a map of half the size, grown with `align_corners=True`, stands for.
_LATTICE: Final = np.linspace(0, INPUT_SIZE - 1, INPUT_SIZE // 2).round().astype(np.int64)


@dataclass(frozen=True)
class SegmenterBatch:
    """`pixels` float32 [B, 3, S, S]; `classes` int64 [B, S / 2, S / 2] from corner to corner."""

    pixels: Tensor
    classes: Tensor


def segformer_config() -> SegformerConfig:
    """0.7 M parameters; logits at a quarter of the input."""
    return SegformerConfig(
        depths=[2, 2, 2, 1],
        hidden_sizes=[24, 48, 80, 128],
        num_attention_heads=[1, 2, 2, 4],
        sr_ratios=[4, 2, 1, 1],
        decoder_hidden_size=96,
        drop_path_rate=0.0,
        classifier_dropout_prob=0.05,
        semantic_loss_ignore_index=UNLABELLED,
        id2label=dict(enumerate(CITYSCAPES)),
        label2id={name: index for index, name in enumerate(CITYSCAPES)},
    )


class SegmenterTask:
    """Cross-entropy between logits and input in size, rare classes weighted up."""

    learning_rate = 1.5e-3

    def __init__(self, store: SceneStore, batch_size: int = 12) -> None:
        self.module: nn.Module = SegformerForSemanticSegmentation(segformer_config())
        self.module.train()
        self._store = store
        self._batch_size = batch_size
        self._weights = _class_weights(store)

    def batch(self, rng: np.random.Generator, progress: float) -> SegmenterBatch:
        """Whole scenes and crops of them, squeezed into the square."""
        size_hw = (INPUT_SIZE, INPUT_SIZE)
        pixels, classes = [], []
        for index in rng.integers(len(self._store), size=self._batch_size):
            image, instances = self._store.images[index], self._store.instances[index]
            box = random_box(rng, instances.shape, scales=(0.5, 1.0), aspects=(1.0, 1.8))
            mirrored = bool(rng.random() < 0.5)
            pixels.append(view_pixels(image, box, size_hw, mirrored))
            ids = view_labels(instances, box, size_hw, mirrored)
            classes.append(self._store.classes[index][ids[np.ix_(_LATTICE, _LATTICE)]])
        return SegmenterBatch(
            torch.from_numpy(np.stack(pixels)),
            torch.from_numpy(np.stack(classes).astype(np.int64)),
        )

    def loss(self, batch: SegmenterBatch, progress: float) -> tuple[Tensor, dict[str, float]]:
        """Logits grow with `align_corners=True`, as at serving."""
        with torch.autocast("cpu", torch.bfloat16):
            logits = self.module(pixel_values=batch.pixels).logits
        size = batch.classes.shape[1:]
        full = F.interpolate(logits.float(), size, mode="bilinear", align_corners=True)
        loss = F.cross_entropy(full, batch.classes, self._weights, ignore_index=UNLABELLED)
        with torch.no_grad():
            right = (full.argmax(1) == batch.classes).float().mean()
        return loss, {"accuracy": float(right)}

    def save(self, module: nn.Module, folder: Path) -> None:
        """Write the Hugging Face folder."""
        module.save_pretrained(folder)  # type: ignore[operator]
        size = {"height": INPUT_SIZE, "width": INPUT_SIZE}
        SegformerImageProcessor(size=size).save_pretrained(folder)


def _class_weights(store: SceneStore, sample: int = 200) -> Tensor:
    """The inverse square root of each class's share of the pixels, 1 on average; float32 [19]."""
    counts = np.ones(256)
    for index in range(min(sample, len(store))):
        classes = store.classes[index][store.instances[index, ::4, ::4]]
        counts += np.bincount(classes.ravel(), minlength=256)
    weights = counts[: len(CITYSCAPES)] ** -0.5
    return torch.from_numpy(weights / weights.mean()).float()
