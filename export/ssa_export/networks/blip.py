"""BLIP as two networks: an image to its embedding, and that to the tokens of a caption."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from ssa_backend import specs
from ssa_export.caption_decoder import MAX_LENGTH, CaptionDecoder
from ssa_export.checkpoints import LoadedBlip
from ssa_export.networks.network import Lengths, Network


def blip_vision_encoder(blip: LoadedBlip, axes: Lengths) -> Network:
    """BLIP's image encoder: `pixel_values` to `image_embeds`."""

    def source(pixel_values: Tensor) -> tuple[Tensor, ...]:
        return (blip.model.vision_model(pixel_values).last_hidden_state,)

    return Network(
        specs.BLIP_VISION_ENCODER,
        _VisionEncoder(blip.model),
        source,
        axes,
        cases=({"batch": 2}, {"batch": 1}, {"batch": 3}),
    )


def blip_text_decoder(blip: LoadedBlip, axes: Lengths) -> Network:
    """BLIP's greedy decoding: `image_embeds` to the `token_ids` behind the start token."""
    text_config = blip.model.config.text_config
    decoder = CaptionDecoder(blip.model, blip.settings.patches, blip.settings.width)

    def source(image_embeds: Tensor) -> tuple[Tensor, ...]:
        # What `BlipForConditionalGeneration.generate` does once it has encoded the image.
        generated = blip.model.text_decoder.generate(
            input_ids=torch.full((image_embeds.shape[0], 1), text_config.bos_token_id),
            encoder_hidden_states=image_embeds,
            encoder_attention_mask=torch.ones(image_embeds.shape[:2], dtype=torch.int64),
            eos_token_id=text_config.sep_token_id,
            pad_token_id=text_config.pad_token_id,
            max_length=MAX_LENGTH,
            do_sample=False,
            num_beams=1,
        )
        return (generated[:, 1:],)

    return Network(
        specs.BLIP_TEXT_DECODER,
        decoder,
        source,
        axes,
        cases=({"batch": 2}, {"batch": 1}, {"batch": 5}),
        build=decoder.build,
    )


class _VisionEncoder(nn.Module):
    def __init__(self, blip: Any) -> None:
        super().__init__()
        self.encoder = blip.vision_model

    def forward(self, pixel_values: Tensor) -> Tensor:
        embeds: Tensor = self.encoder(pixel_values).last_hidden_state
        return embeds
