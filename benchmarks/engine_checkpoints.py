"""The engine's published checkpoints by their configurations, for random weights of real size.

After the papers and transformers' conversion scripts, not compared with the `config.json` of the
Hub repositories; where transformers' defaults are the published values, they are left out.
Vocabularies are cut down to what these tokenizers hold, but the tables of embeddings keep their
published size.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from transformers import (
    BertTokenizer,
    BlipConfig,
    BlipForConditionalGeneration,
    BlipImageProcessorPil,
    CLIPConfig,
    CLIPImageProcessorPil,
    CLIPModel,
    CLIPSegConfig,
    CLIPSegForImageSegmentation,
    CLIPTokenizer,
    OneFormerConfig,
    OneFormerForUniversalSegmentation,
    OneFormerImageProcessorPil,
    SwinConfig,
    ViTImageProcessorPil,
)

Model = Any
Processor = Any


@dataclass(frozen=True)
class EngineCheckpoint:
    """One checkpoint: the part that it plays in a preset, and what it is made of."""

    part: str
    model: Callable[[], Model]
    images: Callable[[], Processor]
    tokenizer: Callable[[], Processor]

    def save(self, folder: Path, randomise: Callable[[Model], Model]) -> Path:
        """Write it as transformers saves it, its weights drawn by `randomise`."""
        randomise(self.model()).save_pretrained(folder)
        self.images().save_pretrained(folder)
        self.tokenizer().save_pretrained(folder)
        return folder


def clip_tokenizer() -> Processor:
    """Byte-pair encoding without merges, whose special tokens have the published ids."""
    letters = [chr(i) for i in range(33, 127)]
    words = [*letters, *(f"{letter}</w>" for letter in letters)]
    vocabulary = {word: i for i, word in enumerate(words)}
    return CLIPTokenizer({**vocabulary, "<|startoftext|>": 49406, "<|endoftext|>": 49407}, [])


def blip_tokenizer() -> Processor:
    """WordPiece with next to no words."""
    special = {"[PAD]": 0, "[UNK]": 100, "[CLS]": 101, "[SEP]": 102, "[MASK]": 103}
    return BertTokenizer({**special, "a": 1037})


def oneformer(
    embed_dim: int,
    depths: tuple[int, ...],
    heads: tuple[int, ...],
    window: int,
    pretrained_at: int,
    classes: int,
    queries: int,
) -> Model:
    """A OneFormer on a Swin backbone, as shi-labs publishes them."""
    backbone = SwinConfig(
        image_size=pretrained_at,
        embed_dim=embed_dim,
        depths=list(depths),
        num_heads=list(heads),
        window_size=window,
        out_features=["stage1", "stage2", "stage3", "stage4"],
    )
    config = OneFormerConfig(
        backbone_config=backbone,
        num_queries=queries,
        id2label={i: f"class {i}" for i in range(classes)},
    )
    return OneFormerForUniversalSegmentation(config)


def blip(vision: dict[str, int]) -> Model:
    """A BLIP captioner, as Salesforce publishes them: one text decoder for both sizes."""
    text = {
        "vocab_size": 30524,
        "hidden_size": 768,
        "intermediate_size": 3072,
        "num_hidden_layers": 12,
        "num_attention_heads": 12,
        "encoder_hidden_size": vision["hidden_size"],
        "bos_token_id": 30522,
        "sep_token_id": 102,
        "pad_token_id": 0,
    }
    return BlipForConditionalGeneration(BlipConfig(text_config=text, vision_config=vision))


def clip(text: dict[str, int], vision: dict[str, int], projection: int) -> Model:
    """A CLIP, as OpenAI publishes them, with the end token that transformers first gave them."""
    text = {**text, "eos_token_id": 2, "bos_token_id": 0, "pad_token_id": 1}
    config = CLIPConfig(text_config=text, vision_config=vision, projection_dim=projection)
    return CLIPModel(config)


def clipseg(reduced: int, *, refined: bool) -> Model:
    """A CLIPSeg on CLIP's ViT-B/16, as CIDAS publishes them."""
    config = CLIPSegConfig(
        text_config={"eos_token_id": 2, "bos_token_id": 0, "pad_token_id": 1},
        vision_config={"patch_size": 16},
        reduce_dim=reduced,
        use_complex_transposed_convolution=refined,
    )
    return CLIPSegForImageSegmentation(config)


def _oneformer_images(short: int, long: int) -> Processor:
    return OneFormerImageProcessorPil(size={"shortest_edge": short, "longest_edge": long})


ENGINE_CHECKPOINTS = {
    "oneformer-swin-t-ade20k": EngineCheckpoint(
        "ade20k",
        lambda: oneformer(96, (2, 2, 6, 2), (3, 6, 12, 24), 7, 224, classes=150, queries=150),
        lambda: _oneformer_images(512, 2048),
        clip_tokenizer,
    ),
    "oneformer-swin-l-coco": EngineCheckpoint(
        "coco",
        lambda: oneformer(192, (2, 2, 18, 2), (6, 12, 24, 48), 12, 384, classes=133, queries=150),
        lambda: _oneformer_images(800, 1333),
        clip_tokenizer,
    ),
    "blip-base": EngineCheckpoint(
        "blip",
        lambda: blip({"hidden_size": 768, "intermediate_size": 3072, "image_size": 384}),
        BlipImageProcessorPil,
        blip_tokenizer,
    ),
    "blip-large": EngineCheckpoint(
        "blip",
        lambda: blip(
            {
                "hidden_size": 1024,
                "intermediate_size": 4096,
                "num_hidden_layers": 24,
                "num_attention_heads": 16,
                "image_size": 384,
            }
        ),
        BlipImageProcessorPil,
        blip_tokenizer,
    ),
    "clip-vit-b-32": EngineCheckpoint(
        "clip", lambda: clip({}, {"patch_size": 32}, 512), CLIPImageProcessorPil, clip_tokenizer
    ),
    "clip-vit-l-14": EngineCheckpoint(
        "clip",
        lambda: clip(
            {"hidden_size": 768, "intermediate_size": 3072, "num_attention_heads": 12},
            {
                "hidden_size": 1024,
                "intermediate_size": 4096,
                "num_hidden_layers": 24,
                "num_attention_heads": 16,
                "patch_size": 14,
            },
            768,
        ),
        CLIPImageProcessorPil,
        clip_tokenizer,
    ),
    "clipseg-rd16": EngineCheckpoint(
        "clipseg", lambda: clipseg(16, refined=False), ViTImageProcessorPil, clip_tokenizer
    ),
    "clipseg-rd64-refined": EngineCheckpoint(
        "clipseg", lambda: clipseg(64, refined=True), ViTImageProcessorPil, clip_tokenizer
    ),
}
