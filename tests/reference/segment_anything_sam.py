"""A transformers SAM checkpoint inside segment_anything's own classes: the reference to compare to.

Nothing of the project's pipeline is used here, only its table of weight names.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import nn
from transformers import SamModel

from ssa_backend.settings import MaskSettings
from ssa_export.checkpoints.meta_sam import transformers_name
from tests.reference import torchvision_functions

torchvision_functions.install()

from segment_anything import SamAutomaticMaskGenerator  # noqa: E402
from segment_anything.modeling import (  # noqa: E402
    ImageEncoderViT,
    MaskDecoder,
    PromptEncoder,
    Sam,
    TwoWayTransformer,
)


def load_sam(folder: Path) -> Any:
    """segment_anything's `Sam` with the weights of a `transformers.SamModel` folder."""
    source = SamModel.from_pretrained(folder).eval()
    sam = _empty_sam(source.config)
    weights = source.state_dict()
    sam.load_state_dict({name: weights[transformers_name(name)] for name in sam.state_dict()})
    # segment_anything leaves torch's epsilon in place; a checkpoint from transformers has its own.
    for module in sam.mask_decoder.transformer.modules():
        if isinstance(module, nn.LayerNorm):
            module.eps = source.config.mask_decoder_config.layer_norm_eps
    return sam.eval()


def _empty_sam(config: Any) -> Any:
    vision, decoder = config.vision_config, config.mask_decoder_config
    embed_size = vision.image_size // vision.patch_size
    return Sam(
        ImageEncoderViT(
            img_size=vision.image_size,
            patch_size=vision.patch_size,
            embed_dim=vision.hidden_size,
            depth=vision.num_hidden_layers,
            num_heads=vision.num_attention_heads,
            mlp_ratio=vision.mlp_dim / vision.hidden_size,
            out_chans=vision.output_channels,
            qkv_bias=vision.qkv_bias,
            norm_layer=partial(nn.LayerNorm, eps=vision.layer_norm_eps),
            use_rel_pos=vision.use_rel_pos,
            window_size=vision.window_size,
            global_attn_indexes=tuple(vision.global_attn_indexes),
        ),
        PromptEncoder(
            embed_dim=decoder.hidden_size,
            image_embedding_size=(embed_size, embed_size),
            input_image_size=(vision.image_size, vision.image_size),
            mask_in_chans=config.prompt_encoder_config.mask_input_channels,
        ),
        MaskDecoder(
            num_multimask_outputs=decoder.num_multimask_outputs,
            transformer=TwoWayTransformer(
                depth=decoder.num_hidden_layers,
                embedding_dim=decoder.hidden_size,
                mlp_dim=decoder.mlp_dim,
                num_heads=decoder.num_attention_heads,
                attention_downsample_rate=decoder.attention_downsample_rate,
            ),
            transformer_dim=decoder.hidden_size,
            iou_head_depth=decoder.iou_head_depth,
            iou_head_hidden_dim=decoder.iou_head_hidden_dim,
        ),
        pixel_mean=[123.675, 116.28, 103.53],
        pixel_std=[58.395, 57.12, 57.375],
    )


def published_settings(settings: MaskSettings) -> dict[str, Any]:
    """The settings that `SamAutomaticMaskGenerator` has too.

    Raises:
        ValueError: one that it does not have is set.
    """
    published = dict(vars(settings))
    if published.pop("adaptive_prompts"):
        raise ValueError("segment-anything has no adaptive prompts")
    return published


def generate(sam: Any, rgb: Any, settings: MaskSettings) -> list[dict[str, Any]]:
    """`SamAutomaticMaskGenerator`'s annotations by area, largest first.

    Args:
        sam: from `load_sam`.
        rgb: [H, W, 3] uint8.
        settings: given to the generator under the same names.
    """
    published = published_settings(settings)
    generator = SamAutomaticMaskGenerator(sam, output_mode="coco_rle", **published)
    with torch.inference_mode():
        annotations = generator.generate(rgb)
    return sorted(annotations, key=lambda annotation: annotation["area"], reverse=True)
