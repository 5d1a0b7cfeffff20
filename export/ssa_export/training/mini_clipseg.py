"""A mini CLIPSeg (Lueddecke and Ecker, 2022): the pixels of a crop for which a name is right.

As published, it is a CLIP and a decoder that reads some of its layers, and starts from a trained
CLIP: a decoder whose CLIP cannot tell names apart learns nothing of pixels. But here the CLIP is
trained on with the decoder, so the parts are called one by one: `forward` stops gradients.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import (
    AutoTokenizer,
    CLIPConfig,
    CLIPModel,
    CLIPSegConfig,
    CLIPSegForImageSegmentation,
    CLIPSegProcessor,
    PreTrainedConfig,
    ViTImageProcessor,
)

from ssa_export.scenes import UNLABELLED
from ssa_export.training.crops import CLIPSEG_SIZE, CropStore
from ssa_export.training.phrases import (
    CLASS_NAMES,
    CLASSES_BY_NAME,
    OTHER_NAMES,
    STREET_NAMES,
    Phrase,
    said,
)
from ssa_export.training.pixels import IMAGENET_MEAN, IMAGENET_STD, flipped, network_input
from ssa_export.training.saving import save_network, save_processor

NAMES: Final = 3
"""Asked of every crop: what it is of, what else is in it, what is not."""

_OTHER_SHARE: Final = 0.2
"""How often the absent name is of nothing that scenes show."""

_NONE: Final = -1


@dataclass(frozen=True)
class ClipsegBatch:
    """B crops and K names for each.

    `pixels` float32 [B, 3, S, S]; `input_ids` and `attention_mask` int64 [B * K, length], crop by
    crop; `masks` float32 [B, K, S, S], 1 where the name is right.
    """

    pixels: Tensor
    input_ids: Tensor
    attention_mask: Tensor
    masks: Tensor


def clipseg_config(clip: CLIPConfig) -> CLIPSegConfig:
    """1.0 M parameters, 0.9 M of them `clip`'s."""
    return CLIPSegConfig(
        text_config=_settings(clip.text_config),
        vision_config=_settings(clip.vision_config),
        projection_dim=clip.projection_dim,
        reduce_dim=48,
        extract_layers=[1, 2, 3],
        decoder_num_attention_heads=4,
        decoder_intermediate_size=96,
    )


def _settings(part: PreTrainedConfig) -> dict[str, Any]:
    return {name: value for name, value in part.to_dict().items() if name != "model_type"}


def named_pixels(
    network: nn.Module, pixels: Tensor, input_ids: Tensor, attention_mask: Tensor
) -> Tensor:
    """What `CLIPSegForImageSegmentation.forward` computes, with gradients.

    Args:
        network: a CLIPSegForImageSegmentation.
        pixels: [B, 3, S, S].
        input_ids: [B * K, length], with its attention mask.

    Returns:
        Logits [B, K, S, S].
    """
    clip, decoder = network.clip, network.decoder
    vision = clip.vision_model(pixel_values=pixels, output_hidden_states=True)  # type: ignore[operator, union-attr]
    conditions = clip.get_text_features(input_ids, attention_mask=attention_mask).pooler_output  # type: ignore[operator, union-attr]
    count = len(input_ids) // len(pixels)
    activations = [
        vision.hidden_states[layer + 1].repeat_interleave(count, 0)
        for layer in network.config.extract_layers  # type: ignore[union-attr]
    ]
    logits: Tensor = decoder(activations, conditions).logits  # type: ignore[operator]
    return logits.reshape(len(pixels), count, *logits.shape[1:])


def untrained_clipseg(clip: CLIPModel) -> CLIPSegForImageSegmentation:
    """A network to begin with, around the weights of `clip`.

    transformers draws the decoder's weights with a deviation of 1, from where it does not learn.
    """
    network = CLIPSegForImageSegmentation(clipseg_config(clip.config))
    network.clip.load_state_dict(clip.state_dict())
    decoder = network.decoder
    for linear in (decoder.film_mul, decoder.film_add, *decoder.reduces):
        linear.reset_parameters()
    # What the names change is small at first.
    nn.init.ones_(decoder.film_mul.bias)
    nn.init.normal_(decoder.transposed_convolution.weight, std=0.1)
    return network


class ClipsegTask:
    """Which pixels a name fits, and which of several names fits a pixel best.

    Args:
        clip_folder: the mini CLIP, whose weights and tokenizer it takes over.
    """

    learning_rate = 1e-3

    def __init__(self, crops: CropStore, clip_folder: Path, batch_size: int = 32) -> None:
        self.tokenizer = AutoTokenizer.from_pretrained(clip_folder)
        clip = CLIPModel.from_pretrained(clip_folder).float()
        self.module: nn.Module = untrained_clipseg(clip).train()
        self._crops = crops
        self._batch_size = batch_size

    def batch(self, rng: np.random.Generator, progress: float) -> ClipsegBatch:
        """Crops, half of them mirrored, each with names of its own."""
        indexes = rng.integers(len(self._crops), size=self._batch_size)
        mirrored = rng.random(self._batch_size) < 0.5
        class_maps = flipped(self._crops.clipseg_classes[indexes], mirrored)
        texts, masks = [], []
        for class_id, classes in zip(self._crops.class_ids[indexes], class_maps, strict=True):
            for phrase in self._names(int(class_id), classes, rng):
                texts.append(phrase.text)
                masks.append(np.isin(classes, list(CLASSES_BY_NAME[phrase.noun])))
        encoded = self.tokenizer(texts, padding=True, truncation=True, return_tensors="pt")
        shape = (self._batch_size, NAMES, CLIPSEG_SIZE, CLIPSEG_SIZE)
        return ClipsegBatch(
            network_input(self._crops.clipseg[indexes], mirrored, IMAGENET_MEAN, IMAGENET_STD),
            encoded["input_ids"],
            encoded["attention_mask"],
            torch.from_numpy(np.stack(masks).reshape(shape).astype(np.float32)),
        )

    def _names(
        self, class_id: int, classes: npt.NDArray[np.uint8], rng: np.random.Generator
    ) -> list[Phrase]:
        counts = np.bincount(classes.ravel(), minlength=UNLABELLED + 1)[: len(CLASS_NAMES)]
        own = str(rng.choice(CLASS_NAMES[class_id]))
        wrong = np.array([class_id not in CLASSES_BY_NAME[name] for name in STREET_NAMES])
        # Every name counts with the pixels for which it is right, the absent ones a little.
        pixels = [sum(counts[list(CLASSES_BY_NAME[name])]) for name in STREET_NAMES]
        present = np.sqrt(pixels) * wrong + 1e-3 * wrong
        second = str(rng.choice(STREET_NAMES, p=present / present.sum()))
        if rng.random() < _OTHER_SHARE:
            third = str(rng.choice(OTHER_NAMES))
        else:
            third = str(rng.choice(STREET_NAMES))
        return [said(name, rng) for name in (own, second, third)]

    def loss(self, batch: ClipsegBatch, progress: float) -> tuple[Tensor, dict[str, float]]:
        """BCE and Dice for each name, and cross-entropy among the names of a crop."""
        # In single precision: bfloat16 takes longer in such small attention layers.
        logits = named_pixels(self.module, batch.pixels, batch.input_ids, batch.attention_mask)
        masks = batch.masks
        bce = F.binary_cross_entropy_with_logits(logits, masks)
        overlap = (logits.sigmoid() * masks).sum((2, 3))
        size = (logits.sigmoid() + masks).sum((2, 3))
        there = masks.any(3).any(2)
        dice = (1 - (2 * overlap + 1) / (size + 1))[there].mean()
        best = torch.where(masks.sum(1) == 1, masks.argmax(1), _NONE)
        each = F.cross_entropy(logits, best, ignore_index=_NONE, reduction="none")
        # The pixels that a crop is of count as much as all others, as few as they may be.
        own, rest = best == 0, best > 0
        choice = (_mean_by_crop(each, own) + _mean_by_crop(each, rest)) / 2
        with torch.no_grad():
            right = _mean_by_crop((logits.argmax(1) == 0).float(), own)
            hit = (logits > 0) & (masks > 0)
            either = (logits > 0) | (masks > 0)
            iou = (hit.sum((2, 3)) / either.sum((2, 3)).clamp(min=1))[there].mean()
        figures = {"bce": float(bce.detach()), "iou": float(iou), "own name": float(right)}
        return bce + 0.5 * dice + 0.5 * choice, figures

    def save(self, module: nn.Module, folder: Path) -> None:
        """Write the Hugging Face folder."""
        save_network(module, folder)
        size = {"height": CLIPSEG_SIZE, "width": CLIPSEG_SIZE}
        images = ViTImageProcessor(
            size=size,
            resample=2,
            image_mean=IMAGENET_MEAN.tolist(),
            image_std=IMAGENET_STD.tolist(),
        )
        save_processor(CLIPSegProcessor(images, self.tokenizer), folder)


def _mean_by_crop(values: Tensor, where: Tensor) -> Tensor:
    """The mean over crops that have any of the mean `where` it is true; both [B, S, S]."""
    counts = where.sum((1, 2))
    means = (values * where).sum((1, 2)) / counts.clamp(min=1)
    return means[counts > 0].mean()
