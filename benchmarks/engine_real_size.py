"""Random checkpoints of published sizes for the engine: CLIP B/32, BLIP base, CLIPSeg rd16.

Small Segformers take the two semantic slots. Weights say nothing about the time that a network
takes, but a caption's length does: BLIP is kept from ending early and from words that it has no
spelling for, so that every caption is as long as it may be.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from transformers import (
    AutoModelForSemanticSegmentation,
    BlipConfig,
    BlipForConditionalGeneration,
    BlipImageProcessorPil,
    CLIPConfig,
    CLIPImageProcessorPil,
    CLIPModel,
    CLIPSegConfig,
    CLIPSegForImageSegmentation,
    SegformerConfig,
    SegformerImageProcessorPil,
    ViTImageProcessorPil,
)
from transformers.image_utils import IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD

from benchmarks.export_parity import MIT, randomise
from ssa_backend.labels import ADE20K, COCO_PANOPTIC
from ssa_export.scenes.names import ALL_NAMES
from ssa_export.training.tokenizers import blip_tokenizer, clip_tokenizer
from tests.reference.engine import Checkpoints

NEVER = -1e4  # a logit


def build(folder: Path) -> Checkpoints:
    """Write all five checkpoints below `folder`."""
    torch.manual_seed(0)
    return Checkpoints(
        coco=build_segformer(folder / "coco", COCO_PANOPTIC),
        ade20k=build_segformer(folder / "ade20k", ADE20K),
        blip=build_blip(folder / "blip"),
        clip=build_clip(folder / "clip"),
        clipseg=build_clipseg(folder / "clipseg"),
    )


def build_segformer(folder: Path, labels: tuple[str, ...]) -> Path:
    """Segformer B0."""
    hidden_sizes, depths, decoder_size = MIT["b0"]
    config = SegformerConfig(
        hidden_sizes=list(hidden_sizes),
        depths=list(depths),
        decoder_hidden_size=decoder_size,
        id2label=dict(enumerate(labels)),
    )
    model = AutoModelForSemanticSegmentation.from_config(config)
    return save(folder, randomise(model), SegformerImageProcessorPil())


def build_clip(folder: Path) -> Path:
    """CLIP ViT-B/32; all sizes are transformers' defaults."""
    tokenizer = clip_tokenizer(ALL_NAMES)
    model = CLIPModel(CLIPConfig(text_config=token_ids(tokenizer)))
    return save(folder, randomise(model), CLIPImageProcessorPil(), tokenizer)


def build_clipseg(folder: Path) -> Path:
    """CLIPSeg rd16, on CLIP's ViT-B/16."""
    tokenizer = clip_tokenizer(ALL_NAMES)
    config = CLIPSegConfig(
        text_config=token_ids(tokenizer), vision_config={"patch_size": 16}, reduce_dim=16
    )
    images = ViTImageProcessorPil(image_mean=IMAGENET_DEFAULT_MEAN, image_std=IMAGENET_DEFAULT_STD)
    return save(folder, randomise(CLIPSegForImageSegmentation(config)), images, tokenizer)


def build_blip(folder: Path) -> Path:
    """BLIP base, whose captions are `tokenizer`'s whole words and never end by themselves."""
    tokenizer = blip_tokenizer(ALL_NAMES)
    config = BlipConfig(
        text_config={
            "num_attention_heads": 12,
            "encoder_hidden_size": 768,
            "bos_token_id": tokenizer.bos_token_id,
            "sep_token_id": tokenizer.sep_token_id,
            "pad_token_id": tokenizer.pad_token_id,
            "is_decoder": True,
        }
    )
    model = randomise(BlipForConditionalGeneration(config))
    words = [id_ for token, id_ in tokenizer.get_vocab().items() if token.isalpha()]
    with torch.no_grad():
        bias = model.text_decoder.cls.predictions.decoder.bias
        bias.fill_(NEVER)
        bias[words] = 0
        # Another word at every place, where random weights would repeat one for ever.
        model.text_decoder.bert.embeddings.position_embeddings.weight.normal_(0, 1)
    return save(folder, model, BlipImageProcessorPil(), tokenizer)


def token_ids(tokenizer: Any) -> dict[str, int]:
    """What a text encoder's configuration must know of its tokenizer."""
    return {
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
    }


def save(folder: Path, *parts: Any) -> Path:
    """A model and what belongs to it, as transformers saves them."""
    for part in parts:
        part.save_pretrained(folder)
    return folder
