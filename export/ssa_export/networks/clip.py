"""CLIP as two networks: images and texts into the space that they share."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn
from torch.nn.functional import normalize

from ssa_backend import specs
from ssa_export.checkpoints import LoadedClip
from ssa_export.networks.network import Lengths, Network
from ssa_export.networks.texts import TextEncoder, random_texts, text_cases


def clip_image_encoder(clip: LoadedClip, axes: Lengths) -> Network:
    """CLIP's image encoder: `pixel_values` to `image_embeds` of length 1."""

    def source(pixel_values: Tensor) -> tuple[Tensor, ...]:
        embeds = clip.model.get_image_features(pixel_values).pooler_output
        return (embeds / embeds.norm(dim=-1, keepdim=True),)

    return Network(
        specs.CLIP_IMAGE_ENCODER,
        _ImageEncoder(clip.model),
        source,
        axes,
        cases=({"batch": 2}, {"batch": 1}, {"batch": 5}),
    )


def clip_text_encoder(clip: LoadedClip, axes: Lengths) -> Network:
    """CLIP's text encoder: `input_ids` to `text_embeds` of length 1."""

    def source(input_ids: Tensor) -> tuple[Tensor, ...]:
        embeds = clip.model.get_text_features(input_ids).pooler_output
        return (embeds / embeds.norm(dim=-1, keepdim=True),)

    text_config = clip.model.config.text_config
    return Network(
        specs.CLIP_TEXT_ENCODER,
        _TextEncoder(clip.model),
        source,
        axes,
        cases=text_cases(clip.settings.context_length),
        draws={specs.TOKEN_IDS.name: random_texts(text_config)},
    )


class _ImageEncoder(nn.Module):
    def __init__(self, clip: Any) -> None:
        super().__init__()
        self.encoder = clip.vision_model
        self.projection = clip.visual_projection

    def forward(self, pixel_values: Tensor) -> Tensor:
        return normalize(self.projection(self.encoder(pixel_values).pooler_output), dim=-1)


class _TextEncoder(nn.Module):
    def __init__(self, clip: Any) -> None:
        super().__init__()
        self.encoder = TextEncoder(clip.text_model, clip.text_projection)

    def forward(self, input_ids: Tensor) -> Tensor:
        return normalize(self.encoder(input_ids), dim=-1)
