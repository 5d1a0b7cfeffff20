"""A mini BLIP (Li et al., 2022) that says what a crop of a drawn scene is of and what is beside."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from transformers import (
    BlipConfig,
    BlipForConditionalGeneration,
    BlipImageProcessor,
    BlipProcessor,
)

from ssa_export.training.crops import BLIP_SIZE, CropStore
from ssa_export.training.pixels import CLIP_MEAN, CLIP_STD, network_input
from ssa_export.training.saving import save_network, save_processor
from ssa_export.training.tokenizers import BLIP_LENGTH, blip_tokenizer, name_texts

IGNORED = -100


@dataclass(frozen=True)
class BlipBatch:
    """`pixels` float32 [B, 3, S, S]; `input_ids`, `attention_mask` and `labels` int64 [B, L]."""

    pixels: Tensor
    input_ids: Tensor
    attention_mask: Tensor
    labels: Tensor


def blip_config(vocabulary: int, start: int, end: int, padding: int) -> BlipConfig:
    """1.1 M parameters. The vision tower's default initial weights, all but zero, learn nothing."""
    return BlipConfig(
        text_config={
            "vocab_size": vocabulary,
            "hidden_size": 128,
            "encoder_hidden_size": 128,
            "intermediate_size": 256,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "max_position_embeddings": BLIP_LENGTH,
            "bos_token_id": start,
            # `generate` stops at `sep_token_id`; this one only fills a place in its prompt.
            "eos_token_id": end,
            "sep_token_id": end,
            "pad_token_id": padding,
        },
        vision_config={
            "hidden_size": 128,
            "intermediate_size": 256,
            "num_hidden_layers": 4,
            "num_attention_heads": 4,
            "image_size": BLIP_SIZE,
            "patch_size": 12,
            "initializer_range": 0.02,
        },
        projection_dim=64,
        image_text_hidden_size=64,
    )


class BlipTask:
    """The next word of a true sentence."""

    learning_rate = 1e-3

    def __init__(self, crops: CropStore, batch_size: int = 48) -> None:
        self.tokenizer = blip_tokenizer(name_texts(crops.captions))
        config = blip_config(
            len(self.tokenizer),
            self.tokenizer.bos_token_id,
            self.tokenizer.sep_token_id,
            self.tokenizer.pad_token_id,
        )
        network = BlipForConditionalGeneration(config)
        # Drawn with a deviation of 1, patches and positions would be lost in them.
        for embedding in (
            network.vision_model.embeddings.position_embedding,
            network.vision_model.embeddings.class_embedding,
        ):
            nn.init.normal_(embedding, std=0.02)
        self.module: nn.Module = network.train()
        self._crops = crops
        self._batch_size = batch_size

    def batch(self, rng: np.random.Generator, progress: float) -> BlipBatch:
        """Crops, half of them mirrored, each with one of its sentences."""
        indexes = rng.integers(len(self._crops), size=self._batch_size)
        mirrored = rng.random(self._batch_size) < 0.5
        texts = [str(rng.choice(self._crops.captions[index])) for index in indexes]
        encoded = self.tokenizer(texts, padding=True, return_tensors="pt")
        ids, mask = encoded["input_ids"], encoded["attention_mask"]
        ids[:, 0] = self.tokenizer.bos_token_id
        return BlipBatch(
            network_input(self._crops.blip[indexes], mirrored, CLIP_MEAN, CLIP_STD),
            ids,
            mask,
            ids.masked_fill(mask == 0, IGNORED),
        )

    def loss(self, batch: BlipBatch, progress: float) -> tuple[Tensor, dict[str, float]]:
        """Cross-entropy of every next token."""
        with torch.autocast("cpu", torch.bfloat16):
            output = self.module(
                pixel_values=batch.pixels,
                input_ids=batch.input_ids,
                attention_mask=batch.attention_mask,
            )
        logits, labels = output.logits[:, :-1].float(), batch.labels[:, 1:]
        loss = nn.functional.cross_entropy(
            logits.flatten(0, 1), labels.flatten(), ignore_index=IGNORED
        )
        with torch.no_grad():
            counted = labels != IGNORED
            right = (logits.argmax(-1) == labels)[counted].float().mean()
        return loss, {"next word": float(right)}

    def save(self, module: nn.Module, folder: Path) -> None:
        """Write the Hugging Face folder."""
        save_network(module, folder)
        images = BlipImageProcessor(size={"height": BLIP_SIZE, "width": BLIP_SIZE})
        save_processor(BlipProcessor(images, self.tokenizer), folder)
