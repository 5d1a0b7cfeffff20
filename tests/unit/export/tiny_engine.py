"""Tiny random checkpoints of the engine's families, in the forms in which they are published."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from transformers import (
    BertTokenizer,
    BlipConfig,
    BlipForConditionalGeneration,
    BlipImageProcessorPil,
    BlipProcessor,
    CLIPConfig,
    CLIPImageProcessorPil,
    CLIPModel,
    CLIPProcessor,
    CLIPSegConfig,
    CLIPSegForImageSegmentation,
    CLIPSegProcessor,
    CLIPTokenizer,
    Mask2FormerConfig,
    Mask2FormerForUniversalSegmentation,
    Mask2FormerImageProcessorPil,
    OneFormerConfig,
    OneFormerForUniversalSegmentation,
    OneFormerImageProcessorPil,
    SwinConfig,
    ViTImageProcessorPil,
)

from tests.unit.export import tiny

IMAGE_SIZE = 32
CONTEXT = 20
CAPTION_WORDS = ("a", "red", "car", "on", "the", "road", "tree", "sky")


def clip_tokenizer() -> Any:
    """CLIP's byte-pair encoding without a single merge; its two special tokens come last."""
    letters = [chr(i) for i in range(33, 127)]
    words = [*letters, *(f"{letter}</w>" for letter in letters), "<|startoftext|>", "<|endoftext|>"]
    return CLIPTokenizer({word: i for i, word in enumerate(words)}, [], model_max_length=CONTEXT)


VOCABULARY = len(clip_tokenizer())


def _clip_text(*, legacy: bool) -> dict[str, Any]:
    return {
        "vocab_size": VOCABULARY,
        "hidden_size": 16,
        "intermediate_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "max_position_embeddings": CONTEXT,
        "bos_token_id": VOCABULARY - 2,
        # What OpenAI's configs say, and what it should be.
        "eos_token_id": 2 if legacy else VOCABULARY - 1,
        "pad_token_id": 1 if legacy else VOCABULARY - 1,
    }


def _clip_vision(image_size: int, layers: int, patch_size: int = 8) -> dict[str, Any]:
    return {
        "hidden_size": 16,
        "intermediate_size": 32,
        "num_hidden_layers": layers,
        "num_attention_heads": 2,
        "image_size": image_size,
        "patch_size": patch_size,
    }


def save_clip(folder: Path, *, legacy: bool = False) -> Path:
    config = CLIPConfig(
        text_config=_clip_text(legacy=legacy),
        vision_config=_clip_vision(IMAGE_SIZE, 2),
        projection_dim=12,
    )
    tiny.randomise(CLIPModel(config)).save_pretrained(folder)
    size = {"height": IMAGE_SIZE, "width": IMAGE_SIZE}
    images = CLIPImageProcessorPil(size={"shortest_edge": IMAGE_SIZE}, crop_size=size)
    CLIPProcessor(images, clip_tokenizer()).save_pretrained(folder)
    return folder


def clipseg_config(
    image_size: int = IMAGE_SIZE, *, conditional_layer: int = 0, complex_convolution: bool = False
) -> Any:
    return CLIPSegConfig(
        text_config=_clip_text(legacy=True),
        # Complex transposed convolutions grow by 4 and by 4 again.
        vision_config=_clip_vision(image_size, 4, patch_size=16 if complex_convolution else 8),
        projection_dim=12,
        extract_layers=[0, 1, 2],
        reduce_dim=8,
        decoder_num_attention_heads=2,
        decoder_intermediate_size=16,
        conditional_layer=conditional_layer,
        use_complex_transposed_convolution=complex_convolution,
    )


def save_clipseg(folder: Path, config: Any | None = None) -> Path:
    config = config or clipseg_config()
    tiny.randomise(CLIPSegForImageSegmentation(config)).save_pretrained(folder)
    images = ViTImageProcessorPil(
        size={"height": IMAGE_SIZE, "width": IMAGE_SIZE},
        image_mean=[0.485, 0.456, 0.406],
        image_std=[0.229, 0.224, 0.225],
    )
    CLIPSegProcessor(images, clip_tokenizer()).save_pretrained(folder)
    return folder


def save_blip(folder: Path, *, end_bias: float = 0.0) -> Path:
    """`end_bias` is added to the score of the end token: how early captions end."""
    special = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
    vocabulary = {word: i for i, word in enumerate((*special, *CAPTION_WORDS, "[DEC]"))}
    config = BlipConfig(
        text_config={
            "vocab_size": len(vocabulary),
            "hidden_size": 16,
            "intermediate_size": 32,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "max_position_embeddings": 32,
            "bos_token_id": vocabulary["[DEC]"],
            "sep_token_id": vocabulary["[SEP]"],
            "eos_token_id": vocabulary["[CLS]"],
            "pad_token_id": vocabulary["[PAD]"],
        },
        vision_config={
            "hidden_size": 24,
            "intermediate_size": 32,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "image_size": IMAGE_SIZE,
            "patch_size": 8,
        },
    )
    blip = tiny.randomise(BlipForConditionalGeneration(config))
    with torch.no_grad():
        blip.text_decoder.cls.predictions.decoder.bias[vocabulary["[SEP]"]] += end_bias
    blip.save_pretrained(folder)
    images = BlipImageProcessorPil(size={"height": IMAGE_SIZE, "width": IMAGE_SIZE})
    tokenizer = BertTokenizer({w: i for w, i in vocabulary.items() if w != "[DEC]"})
    BlipProcessor(images, tokenizer).save_pretrained(folder)
    return folder


def _swin() -> Any:
    return SwinConfig(
        image_size=tiny.IMAGE_SIZE,
        patch_size=4,
        embed_dim=8,
        depths=[1, 1, 1, 1],
        num_heads=[1, 1, 2, 2],
        window_size=4,
        out_features=["stage1", "stage2", "stage3", "stage4"],
    )


def save_oneformer(folder: Path, labels: tuple[str, ...] = tiny.LABELS) -> Path:
    config = OneFormerConfig(
        backbone_config=_swin(),
        num_queries=10,
        conv_dim=32,
        mask_dim=32,
        hidden_dim=32,
        encoder_feedforward_dim=32,
        encoder_layers=1,
        decoder_layers=3,
        num_attention_heads=2,
        dim_feedforward=32,
        query_dec_layers=1,
        task_seq_len=CONTEXT,
        text_encoder_width=32,
        text_encoder_num_layers=1,
        text_encoder_vocab_size=VOCABULARY,
        text_encoder_context_length=CONTEXT,
        id2label=dict(enumerate(labels)),
    )
    tiny.randomise(OneFormerForUniversalSegmentation(config)).save_pretrained(folder)
    size = {"shortest_edge": tiny.IMAGE_SIZE, "longest_edge": 2 * tiny.IMAGE_SIZE}
    OneFormerImageProcessorPil(size=size).save_pretrained(folder)
    clip_tokenizer().save_pretrained(folder)
    return folder


def save_mask2former(folder: Path) -> Path:
    config = Mask2FormerConfig(
        backbone_config=_swin(),
        num_queries=10,
        feature_size=32,
        mask_feature_size=32,
        hidden_dim=32,
        encoder_feedforward_dim=32,
        encoder_layers=1,
        decoder_layers=3,
        num_attention_heads=2,
        dim_feedforward=32,
        id2label=dict(enumerate(tiny.LABELS)),
    )
    tiny.randomise(Mask2FormerForUniversalSegmentation(config)).save_pretrained(folder)
    size = {"height": tiny.IMAGE_SIZE, "width": tiny.IMAGE_SIZE}
    Mask2FormerImageProcessorPil(size=size).save_pretrained(folder)
    return folder
