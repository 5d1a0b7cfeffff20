"""Mini Segformers (Xie et al., 2021): one with Cityscapes' labels, two for the engine's votes.

The first reads a small square, so that its classes are right and its outlines soft: what Semantic
Segment Anything is there to repair, and what makes the repair visible. The engine's two, with
COCO's and ADE20K's labels, start from its weights and read more pixels: there the right name for
small masks is all that counts.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import (
    SegformerConfig,
    SegformerForSemanticSegmentation,
    SegformerImageProcessor,
)

from ssa_backend.labels import ADE20K, CITYSCAPES, COCO_PANOPTIC
from ssa_export.scenes import UNLABELLED
from ssa_export.scenes.classes import CITYSCAPES_TO_ADE20K, CITYSCAPES_TO_COCO
from ssa_export.training.data import SceneStore
from ssa_export.training.saving import save_network
from ssa_export.training.views import random_box, view_labels, view_pixels


@dataclass(frozen=True)
class LabelSet:
    """What a segmenter tells apart: its names, and the id of each Cityscapes class among them."""

    names: tuple[str, ...]
    from_cityscapes: tuple[int | None, ...]
    """One for each trainId; None where nothing fits, and nothing is learnt there."""
    input_hw: tuple[int, int]
    by_instance: bool = True
    """Whether small instances count for more: right for votes inside masks, not for mIoU."""

    def table(self) -> npt.NDArray[np.uint8]:
        """Class id by trainId, `UNLABELLED` where there is none: uint8 [256]."""
        ids = np.full(256, UNLABELLED, np.uint8)
        known = [UNLABELLED if i is None else i for i in self.from_cityscapes]
        ids[: len(known)] = known
        return ids


LABEL_SETS: Final = {
    "segformer": LabelSet(CITYSCAPES, tuple(range(len(CITYSCAPES))), (160, 160), by_instance=False),
    "segformer-coco": LabelSet(COCO_PANOPTIC, CITYSCAPES_TO_COCO, (240, 320)),
    "segformer-ade20k": LabelSet(ADE20K, CITYSCAPES_TO_ADE20K, (240, 320)),
}
"""By the name of the training."""

_SEEN_PIXELS: Final = 16


@dataclass(frozen=True)
class SegmenterBatch:
    """`pixels` float32 [B, 3, H, W]; `classes` int64 and `weights` float32 [B, H / 2, W / 2], from
    corner to corner: what is there, and how much it counts."""

    pixels: Tensor
    classes: Tensor
    weights: Tensor


def segformer_config(names: tuple[str, ...]) -> SegformerConfig:
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
        id2label=dict(enumerate(names)),
        label2id={name: index for index, name in enumerate(names)},
    )


class SegmenterTask:
    """Cross-entropy between logits and input in size, rare classes weighted up.

    Classes that no scene shows are ruled out at the start and left out of the loss, which would
    otherwise spend most of its time on them.

    Args:
        start_from: a folder with a mini Segformer of other labels, whose weights, but for the last
            layer's, training starts from.
    """

    learning_rate = 1.5e-3

    def __init__(
        self,
        store: SceneStore,
        labels: LabelSet,
        start_from: Path | None = None,
        batch_size: int = 12,
    ) -> None:
        network = SegformerForSemanticSegmentation(segformer_config(labels.names))
        if start_from is not None:
            _take_weights(network, start_from)
        self._seen = torch.tensor(sorted({i for i in labels.from_cityscapes if i is not None}))
        _rule_out_all_but(self._seen, network)
        self.module: nn.Module = network.train()
        self._store = store
        self._labels = labels
        self._table = labels.table()
        # Position in the loss by class id.
        self._position = torch.full((256,), UNLABELLED)
        self._position[self._seen] = torch.arange(len(self._seen))
        self._batch_size = batch_size
        self._weights = _class_weights(store, self._table)[self._seen]

    def batch(self, rng: np.random.Generator, progress: float) -> SegmenterBatch:
        """Whole scenes and crops of them, squeezed into the input's shape."""
        size_hw = self._labels.input_hw
        # The rows and columns that a map of half the size, grown with `align_corners=True`,
        # stands for.
        lattice = [np.linspace(0, side - 1, side // 2).round().astype(np.int64) for side in size_hw]
        pixels, classes, weights = [], [], []
        for index in rng.integers(len(self._store), size=self._batch_size):
            image, instances = self._store.images[index], self._store.instances[index]
            box = random_box(rng, instances.shape, scales=(0.5, 1.0), aspects=(1.0, 1.8))
            mirrored = bool(rng.random() < 0.5)
            pixels.append(view_pixels(image, box, size_hw, mirrored))
            ids = view_labels(instances, box, size_hw, mirrored)[np.ix_(*lattice)]
            classes.append(self._table[self._store.classes[index][ids]])
            weights.append(self._instance_weights(ids))
        return SegmenterBatch(
            torch.from_numpy(np.stack(pixels)),
            torch.from_numpy(np.stack(classes).astype(np.int64)),
            torch.from_numpy(np.stack(weights)),
        )

    def _instance_weights(self, ids: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
        """The inverse square root of the pixels that each pixel's instance has, if they are many
        enough to be seen; float32 like `ids`."""
        if not self._labels.by_instance:
            return np.ones(ids.shape, np.float32)
        areas = np.maximum(np.bincount(ids.ravel()), _SEEN_PIXELS)
        weights: npt.NDArray[np.float32] = (areas[ids] ** -0.5).astype(np.float32)
        return weights

    def loss(self, batch: SegmenterBatch, progress: float) -> tuple[Tensor, dict[str, float]]:
        """Logits grow with `align_corners=True`, as at serving."""
        with torch.autocast("cpu", torch.bfloat16):
            logits = self.module(pixel_values=batch.pixels).logits
        size = batch.classes.shape[1:]
        full = F.interpolate(
            logits[:, self._seen].float(), size, mode="bilinear", align_corners=True
        )
        classes = self._position[batch.classes]
        each = F.cross_entropy(
            full, classes, self._weights, ignore_index=UNLABELLED, reduction="none"
        )
        labelled = classes != UNLABELLED
        totals = batch.weights[labelled] * self._weights[classes[labelled]]
        loss = (each * batch.weights).sum() / totals.sum()
        with torch.no_grad():
            right = (full.argmax(1) == classes)[labelled].float().mean()
        return loss, {"accuracy": float(right)}

    def save(self, module: nn.Module, folder: Path) -> None:
        """Write the Hugging Face folder."""
        save_network(module, folder)
        size = dict(zip(("height", "width"), self._labels.input_hw, strict=True))
        SegformerImageProcessor(size=size).save_pretrained(folder)


def _take_weights(network: SegformerForSemanticSegmentation, folder: Path) -> None:
    """Copy all weights of a trained mini Segformer that do not depend on its labels."""
    trained = SegformerForSemanticSegmentation.from_pretrained(folder).float().state_dict()
    shared = {k: v for k, v in trained.items() if not k.startswith("decode_head.classifier.")}
    network.load_state_dict(shared, strict=False)


def _rule_out_all_but(seen: Tensor, network: SegformerForSemanticSegmentation) -> None:
    """Give the last layer's other rows a constant that never wins."""
    head = network.decode_head.classifier
    others = torch.ones(len(head.bias), dtype=torch.bool)
    others[seen] = False
    with torch.no_grad():
        head.weight[others] = 0
        head.bias[others] = -20


def _class_weights(store: SceneStore, table: npt.NDArray[np.uint8], sample: int = 200) -> Tensor:
    """The inverse square root of each class's share of the pixels, 1 on average; float32 [256]."""
    counts = np.zeros(256)
    for index in range(min(sample, len(store))):
        classes = table[store.classes[index][store.instances[index, ::4, ::4]]]
        counts += np.bincount(classes.ravel(), minlength=256)
    counts[UNLABELLED] = 0
    weights = np.maximum(counts, 1) ** -0.5
    return torch.from_numpy(weights / weights[counts > 0].mean()).float()
