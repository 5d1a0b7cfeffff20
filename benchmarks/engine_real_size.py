"""Random checkpoints of published sizes for the engine: CLIP B/32, BLIP base, CLIPSeg rd16.

Small Segformers take the two semantic slots. Weights say nothing about the time that a network
takes, but a caption's length does: BLIP is kept from ending early and from tokens that are no
words, so that every caption is as long as it may be, and has something to name.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from transformers import (
    AutoModelForSemanticSegmentation,
    BertTokenizer,
    SegformerConfig,
    SegformerImageProcessorPil,
)

from benchmarks.engine_checkpoints import ENGINE_CHECKPOINTS
from benchmarks.export_parity import MIT, randomise
from ssa_backend.labels import ADE20K, COCO_PANOPTIC
from ssa_export.scenes.names import ALL_NAMES
from ssa_export.training.tokenizers import clip_tokenizer
from tests.reference.engine import Checkpoints

# Where the published vocabulary has its special tokens, and room for words.
SPECIAL = {"[PAD]": 0, "[UNK]": 100, "[CLS]": 101, "[SEP]": 102, "[MASK]": 103}
FIRST_WORD = 2000
NEVER = -1e4  # a logit


def build(folder: Path) -> Checkpoints:
    """Write all five checkpoints below `folder`."""
    torch.manual_seed(0)
    return Checkpoints(
        coco=build_segformer(folder / "coco", COCO_PANOPTIC),
        ade20k=build_segformer(folder / "ade20k", ADE20K),
        blip=build_blip(folder / "blip"),
        clip=build_named(folder / "clip", "clip-vit-b-32"),
        clipseg=build_named(folder / "clipseg", "clipseg-rd16"),
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


def build_named(folder: Path, name: str) -> Path:
    """CLIP or CLIPSeg, whose names take as few tokens as in the published vocabulary."""
    checkpoint = ENGINE_CHECKPOINTS[name]
    return save(
        folder, randomise(checkpoint.model()), checkpoint.images(), clip_tokenizer(ALL_NAMES)
    )


def build_blip(folder: Path) -> Path:
    """BLIP base, whose captions never end by themselves."""
    words = sorted({word for name in ALL_NAMES for word in name.split()})
    ids = {word: FIRST_WORD + i for i, word in enumerate(words)}
    checkpoint = ENGINE_CHECKPOINTS["blip-base"]
    model = randomise(checkpoint.model())
    with torch.no_grad():
        bias = model.text_decoder.cls.predictions.decoder.bias
        bias.fill_(NEVER)
        bias[list(ids.values())] = 0
        # Another word at every place, where random weights would repeat one for ever.
        model.text_decoder.bert.embeddings.position_embeddings.weight.normal_(0, 1)
    return save(folder, model, checkpoint.images(), BertTokenizer({**SPECIAL, **ids}))


def save(folder: Path, *parts: Any) -> Path:
    """A model and what belongs to it, as transformers saves them."""
    for part in parts:
        part.save_pretrained(folder)
    return folder
