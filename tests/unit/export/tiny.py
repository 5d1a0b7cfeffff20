"""Tiny random checkpoints in every form that `ssa export` reads."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from transformers import (
    AutoModelForSemanticSegmentation,
    ConvNextConfig,
    SamConfig,
    SamImageProcessorPil,
    SamModel,
    SegformerConfig,
    SegformerImageProcessorPil,
    UperNetConfig,
)

from tests.reference import torchvision_functions

IMAGE_SIZE = 64
LABELS = ("road", "sky", "tree", "car", "person on a bicycle")


def randomise(model: Any) -> Any:
    """Weights that let every part of a network show in its output; SAM's own start near zero."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.ndim > 1:
                parameter.normal_(0, 0.2, generator=generator)
            elif name.endswith("bias"):
                parameter.normal_(0, 0.1, generator=generator)
    return model.eval()


def sam_config() -> SamConfig:
    return SamConfig(
        vision_config={
            "hidden_size": 32,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "image_size": IMAGE_SIZE,
            "patch_size": 8,
            "output_channels": 32,
            "num_pos_feats": 16,
            "window_size": 3,
            "global_attn_indexes": [1],
            "mlp_dim": 64,
        },
        prompt_encoder_config={"hidden_size": 32, "image_size": IMAGE_SIZE, "patch_size": 8},
        mask_decoder_config={"hidden_size": 32, "mlp_dim": 64, "iou_head_hidden_dim": 24},
    )


def save_sam(folder: Path) -> Path:
    randomise(SamModel(sam_config())).save_pretrained(folder)
    SamImageProcessorPil().save_pretrained(folder)
    return folder


def save_segformer(folder: Path, labels: tuple[str, ...] = LABELS) -> Path:
    config = SegformerConfig(
        hidden_sizes=[8, 16, 24, 32],
        depths=[1, 1, 1, 1],
        num_attention_heads=[1, 1, 2, 2],
        decoder_hidden_size=16,
        id2label=dict(enumerate(labels)),
    )
    size = {"height": IMAGE_SIZE, "width": IMAGE_SIZE + 32}
    return save_segmenter(folder, config, SegformerImageProcessorPil(size=size))


def save_segmenter(folder: Path, config: Any, processor: Any) -> Path:
    randomise(AutoModelForSemanticSegmentation.from_config(config)).save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


def upernet() -> tuple[Any, Any]:
    """Configuration and image processor of a segmenter unlike Segformer."""
    backbone = ConvNextConfig(
        hidden_sizes=[8, 8, 16, 16],
        depths=[1, 1, 1, 1],
        out_features=[f"stage{i}" for i in range(1, 5)],
    )
    config = UperNetConfig(
        backbone_config=backbone,
        hidden_size=16,
        pool_scales=[1, 2, 3],
        auxiliary_in_channels=16,
        auxiliary_channels=8,
        id2label=dict(enumerate(LABELS)),
    )
    return config, SegformerImageProcessorPil(size={"height": IMAGE_SIZE, "width": IMAGE_SIZE})


def meta_sam() -> Any:
    """segment_anything's own `Sam` with the sizes of `sam_config`."""
    torchvision_functions.install()
    from segment_anything.modeling import (
        ImageEncoderViT,
        MaskDecoder,
        PromptEncoder,
        Sam,
        TwoWayTransformer,
    )

    grid = IMAGE_SIZE // 8
    sam = Sam(
        image_encoder=ImageEncoderViT(
            img_size=IMAGE_SIZE,
            patch_size=8,
            embed_dim=32,
            depth=2,
            num_heads=2,
            mlp_ratio=2,
            out_chans=32,
            norm_layer=lambda size: torch.nn.LayerNorm(size, eps=1e-6),
            use_rel_pos=True,
            window_size=3,
            global_attn_indexes=(1,),
        ),
        prompt_encoder=PromptEncoder(32, (grid, grid), (IMAGE_SIZE, IMAGE_SIZE), 16),
        mask_decoder=MaskDecoder(
            transformer_dim=32,
            transformer=TwoWayTransformer(depth=2, embedding_dim=32, num_heads=8, mlp_dim=64),
            iou_head_hidden_dim=24,
        ),
    )
    return randomise(sam)


def save_meta_sam(path: Path) -> Path:
    torch.save(meta_sam().state_dict(), path)
    return path
