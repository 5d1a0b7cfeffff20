"""Meta's `sam_vit_*.pth` as a `transformers.SamModel`.

Every size is read off the weights' shapes, so ViT-B, L and H and their fine-tuned kin need no
table. What shapes cannot say (the decoder's 8 heads, epsilons) is the same in all of them.
Source of the layout: segment_anything/build_sam.py and modeling/.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import AutoModel, SamConfig

from ssa_export.checkpoints.source import reading
from ssa_export.errors import CheckpointError

Weights = Mapping[str, Tensor]

_EXPECTED = "a state dict of segment_anything's SAM (ViT-B, L or H)"
_DECODER_HEADS = 8

# segment_anything's names to transformers', in the order in which they are applied.
_RENAMES = tuple(
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        (r"^image_encoder\.", "vision_encoder."),
        (r"patch_embed\.proj\.", "patch_embed.projection."),
        (r"\.blocks\.", ".layers."),
        (r"neck\.0\.", "neck.conv1."),
        (r"neck\.1\.", "neck.layer_norm1."),
        (r"neck\.2\.", "neck.conv2."),
        (r"neck\.3\.", "neck.layer_norm2."),
        (r"\.norm(\d)\.", r".layer_norm\1."),
        (r"norm_final_attn", "layer_norm_final_attn"),
        (r"pe_layer\.positional_encoding_gaussian_matrix", "shared_embedding.positional_embedding"),
        (r"point_embeddings\.", "point_embed."),
        (r"mask_downscaling\.0\.", "mask_embed.conv1."),
        (r"mask_downscaling\.1\.", "mask_embed.layer_norm1."),
        (r"mask_downscaling\.3\.", "mask_embed.conv2."),
        (r"mask_downscaling\.4\.", "mask_embed.layer_norm2."),
        (r"mask_downscaling\.6\.", "mask_embed.conv3."),
        (r"output_upscaling\.0\.", "upscale_conv1."),
        (r"output_upscaling\.1\.", "upscale_layer_norm."),
        (r"output_upscaling\.3\.", "upscale_conv2."),
        # The heads' multi-layer perceptrons have three layers: first, one between, last.
        (r"(mlps\.\d+|iou_prediction_head)\.layers\.0\.", r"\1.proj_in."),
        (r"(mlps\.\d+|iou_prediction_head)\.layers\.1\.", r"\1.layers.0."),
        (r"(mlps\.\d+|iou_prediction_head)\.layers\.2\.", r"\1.proj_out."),
    )
)


def load_meta_sam(path: Path) -> Any:
    """The `SamModel`, in evaluation mode and FP32, that computes what the file's SAM computes.

    Raises:
        CheckpointError: the file is cut short, or holds something other than SAM's weights.
    """
    with reading(path.name, _EXPECTED):
        weights = torch.load(path, map_location="cpu", weights_only=True)
    if not isinstance(weights, dict) or "image_encoder.pos_embed" not in weights:
        raise CheckpointError(f"{path.name} holds no SAM; expected {_EXPECTED}.")
    with reading(path.name, _EXPECTED):
        return _build(weights)


def _build(weights: Weights) -> Any:
    renamed = {transformers_name(name): tensor.float() for name, tensor in weights.items()}
    # One matrix encodes the positions of prompts and of the image; transformers names it twice.
    positional = renamed["prompt_encoder.shared_embedding.positional_embedding"]
    renamed["shared_image_embedding.positional_embedding"] = positional
    # On the meta device nothing is allocated or drawn at random before the weights are assigned.
    with torch.device("meta"):
        model = AutoModel.from_config(infer_config(weights), attn_implementation="eager")
    model.load_state_dict(renamed, strict=True, assign=True)
    return model.eval()


def transformers_name(name: str) -> str:
    """What transformers calls the weight that segment_anything calls `name`."""
    for pattern, replacement in _RENAMES:
        name = pattern.sub(replacement, name)
    return name


def infer_config(weights: Weights) -> SamConfig:
    """The configuration that the shapes of a SAM state dict imply."""
    _, grid, _, hidden_size = weights["image_encoder.pos_embed"].shape
    patch_size = weights["image_encoder.patch_embed.proj.weight"].shape[-1]
    image_size = grid * patch_size
    # A block's relative positions reach across the window it attends to: 2 * side - 1 of them.
    sides = [
        (weights[f"image_encoder.blocks.{i}.attn.rel_pos_h"].shape[0] + 1) // 2
        for i in range(_count(weights, r"image_encoder\.blocks\.(\d+)\."))
    ]
    windows = {side for side in sides if side != grid}
    head_size = weights["image_encoder.blocks.0.attn.rel_pos_h"].shape[1]
    decoder_width = weights["mask_decoder.iou_token.weight"].shape[1]
    cross_attention = "mask_decoder.transformer.final_attn_token_to_image.q_proj.weight"
    return SamConfig(
        vision_config={
            "hidden_size": hidden_size,
            "output_channels": weights["image_encoder.neck.0.weight"].shape[0],
            "num_hidden_layers": len(sides),
            "num_attention_heads": hidden_size // head_size,
            "image_size": image_size,
            "patch_size": patch_size,
            "mlp_dim": weights["image_encoder.blocks.0.mlp.lin1.weight"].shape[0],
            "window_size": windows.pop() if windows else 0,
            "global_attn_indexes": [i for i, side in enumerate(sides) if side == grid],
            "num_pos_feats": decoder_width // 2,
        },
        prompt_encoder_config={
            "hidden_size": decoder_width,
            "image_size": image_size,
            "patch_size": patch_size,
            "mask_input_channels": weights["prompt_encoder.mask_downscaling.3.weight"].shape[0],
        },
        mask_decoder_config={
            "hidden_size": decoder_width,
            "mlp_dim": weights["mask_decoder.transformer.layers.0.mlp.lin1.weight"].shape[0],
            "num_hidden_layers": _count(weights, r"mask_decoder\.transformer\.layers\.(\d+)\."),
            "num_attention_heads": _DECODER_HEADS,
            "attention_downsample_rate": decoder_width // weights[cross_attention].shape[0],
            "num_multimask_outputs": weights["mask_decoder.mask_tokens.weight"].shape[0] - 1,
            "iou_head_hidden_dim": weights[
                "mask_decoder.iou_prediction_head.layers.0.weight"
            ].shape[0],
            # torch's default, which segment_anything leaves in place; transformers' own is 1e-6.
            "layer_norm_eps": 1e-5,
        },
    )


def _count(weights: Weights, pattern: str) -> int:
    """How many different numbers stand where `pattern` has its group."""
    return len({match[1] for name in weights if (match := re.match(pattern, name))})
