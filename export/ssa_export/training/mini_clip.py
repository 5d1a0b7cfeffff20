"""A mini CLIP (Radford et al., 2021) that knows what the drawn scenes show by every name for it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from transformers import CLIPConfig, CLIPImageProcessor, CLIPModel, CLIPProcessor

from ssa_backend.labels import CITYSCAPES
from ssa_export.training.crops import CLIP_SIZE, CropStore
from ssa_export.training.phrases import (
    CLASSES_BY_NAME,
    OTHER_NAMES,
    STREET_NAMES,
    Phrase,
    bare,
    said,
)
from ssa_export.training.pixels import CLIP_MEAN, CLIP_STD, network_input
from ssa_export.training.saving import save_network, save_processor
from ssa_export.training.tokenizers import CLIP_LENGTH, clip_tokenizer, name_texts

_STREET_PHRASES: Final = 48
_OTHER_PHRASES: Final = 112

_ACCEPTED: Final = np.array(
    [[class_id in CLASSES_BY_NAME[n] for n in STREET_NAMES] for class_id in range(len(CITYSCAPES))]
)
_COLUMN: Final = {name: column for column, name in enumerate(STREET_NAMES)}


@dataclass(frozen=True)
class ClipBatch:
    """`pixels` float32 [B, 3, S, S], `input_ids` and `attention_mask` int64 [T, length].

    `right` and `wrong`, bool [B, T], tell which texts are right and wrong for which image; a car in
    another colour is neither.
    """

    pixels: Tensor
    input_ids: Tensor
    attention_mask: Tensor
    right: Tensor
    wrong: Tensor


def clip_config(vocabulary: int, start: int, end: int) -> CLIPConfig:
    """0.9 M parameters."""
    return CLIPConfig(
        text_config={
            "vocab_size": vocabulary,
            "hidden_size": 96,
            "intermediate_size": 192,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "max_position_embeddings": CLIP_LENGTH,
            "bos_token_id": start,
            "eos_token_id": end,
            "pad_token_id": end,
            "projection_dim": 96,
        },
        vision_config={
            "hidden_size": 128,
            "intermediate_size": 256,
            "num_hidden_layers": 4,
            "num_attention_heads": 4,
            "image_size": CLIP_SIZE,
            "patch_size": 12,
            "projection_dim": 96,
        },
        projection_dim=96,
    )


class ClipTask:
    """Every right name above all wrong ones, among all names of the scenes and many others."""

    learning_rate = 1e-3

    def __init__(self, crops: CropStore, batch_size: int = 48) -> None:
        self.tokenizer = clip_tokenizer(name_texts(crops.captions))
        start, end = self.tokenizer.bos_token_id, self.tokenizer.eos_token_id
        self.module: nn.Module = CLIPModel(clip_config(len(self.tokenizer), start, end)).train()
        self._crops = crops
        self._batch_size = batch_size

    def batch(self, rng: np.random.Generator, progress: float) -> ClipBatch:
        """Crops, half of them mirrored, and the same texts for all of them."""
        indexes = rng.integers(len(self._crops), size=self._batch_size)
        mirrored = rng.random(self._batch_size) < 0.5
        phrases = [bare(name) for name in STREET_NAMES]
        phrases += [said(name, rng) for name in rng.choice(STREET_NAMES, _STREET_PHRASES)]
        others = [said(n, rng) for n in rng.choice(OTHER_NAMES, _OTHER_PHRASES, replace=False)]
        right, wrong = self._judge(indexes, phrases, len(others))
        texts = [phrase.text for phrase in (*phrases, *others)]
        encoded = self.tokenizer(texts, padding=True, truncation=True, return_tensors="pt")
        return ClipBatch(
            network_input(self._crops.clip[indexes], mirrored, CLIP_MEAN, CLIP_STD),
            encoded["input_ids"],
            encoded["attention_mask"],
            torch.from_numpy(right),
            torch.from_numpy(wrong),
        )

    def _judge(
        self, indexes: npt.NDArray[np.int64], phrases: list[Phrase], others: int
    ) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
        columns = [_COLUMN[phrase.noun] for phrase in phrases]
        accepted = _ACCEPTED[self._crops.class_ids[indexes]][:, columns]
        colours = [self._crops.colour(int(index)) for index in indexes]
        fitting = [[p.colour is None or p.colour == colour for p in phrases] for colour in colours]
        never = np.zeros((len(indexes), others), np.bool_)
        right = np.concatenate([accepted & np.array(fitting), never], axis=1)
        wrong = np.concatenate([~accepted, ~never], axis=1)
        return right, wrong

    def loss(self, batch: ClipBatch, progress: float) -> tuple[Tensor, dict[str, float]]:
        """For each right text the cross-entropy against all wrong ones, averaged by image."""
        with torch.autocast("cpu", torch.bfloat16):
            logits = self.module(
                input_ids=batch.input_ids,
                attention_mask=batch.attention_mask,
                pixel_values=batch.pixels,
            ).logits_per_image
        logits = logits.float()
        wrong = logits.masked_fill(~batch.wrong, -torch.inf).logsumexp(1, keepdim=True)
        each = nn.functional.softplus(wrong - logits).masked_fill(~batch.right, 0.0)
        loss = (each.sum(1) / batch.right.sum(1)).mean()
        with torch.no_grad():
            judged = logits.masked_fill(~(batch.right | batch.wrong), -torch.inf)
            first = batch.right.gather(1, judged.argmax(1, keepdim=True)).float().mean()
        return loss, {"first is right": float(first)}

    def save(self, module: nn.Module, folder: Path) -> None:
        """Write the Hugging Face folder."""
        save_network(module, folder)
        side = {"height": CLIP_SIZE, "width": CLIP_SIZE}
        images = CLIPImageProcessor(size={"shortest_edge": CLIP_SIZE}, crop_size=side)
        save_processor(CLIPProcessor(images, self.tokenizer), folder)
