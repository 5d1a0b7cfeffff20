"""CLIPSeg as three networks: what depends on the crop alone, on the name alone, and on both."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor, nn

from ssa_backend import specs
from ssa_export.checkpoints import LoadedClipSeg
from ssa_export.networks.network import Lengths, Network
from ssa_export.networks.texts import TextEncoder, random_texts, text_cases


def clipseg_vision_encoder(clipseg: LoadedClipSeg, axes: Lengths) -> Network:
    """CLIPSeg's image encoder: `pixel_values` to the `activations` that its decoder starts from."""
    model = clipseg.model

    def source(pixel_values: Tensor) -> tuple[Tensor, ...]:
        vision = model.clip.vision_model(pixel_values, output_hidden_states=True)
        deepest_first = [vision.hidden_states[i + 1] for i in model.extract_layers][::-1]
        reduced = [
            reduce(hidden)
            for reduce, hidden in zip(model.decoder.reduces, deepest_first, strict=True)
        ]
        return (torch.stack(reduced, dim=1),)

    return Network(
        specs.CLIPSEG_VISION_ENCODER,
        _VisionEncoder(model, clipseg.settings.image_size),
        source,
        axes,
        cases=({"batch": 2}, {"batch": 1}, {"batch": 3}),
    )


def clipseg_text_encoder(clipseg: LoadedClipSeg, axes: Lengths) -> Network:
    """CLIPSeg's text encoder: `input_ids` to `conditional_embeds`, which keep their length."""

    def source(input_ids: Tensor) -> tuple[Tensor, ...]:
        return (clipseg.model.clip.get_text_features(input_ids).pooler_output,)

    return Network(
        specs.CLIPSEG_TEXT_ENCODER,
        TextEncoder(clipseg.model.clip.text_model, clipseg.model.clip.text_projection),
        source,
        axes,
        cases=text_cases(clipseg.settings.context_length),
        draws={specs.TOKEN_IDS.name: random_texts(clipseg.model.config.text_config)},
    )


def clipseg_decoder(clipseg: LoadedClipSeg, axes: Lengths) -> Network:
    """CLIPSeg's decoder: `activations` of crops and `conditional_embeds` of names to `logits`."""
    # transformers' own, which gets its activations reduced already.
    decoder = copy.deepcopy(clipseg.model.decoder)
    decoder.reduces = nn.ModuleList(nn.Identity() for _ in decoder.reduces)

    def source(activations: Tensor, conditional_embeds: Tensor) -> tuple[Tensor, ...]:
        names = conditional_embeds.shape[1]
        # One row for every name of every crop, and the shallowest layer first, as it expects them.
        repeated = activations.repeat_interleave(names, dim=0)
        layers = tuple(repeated[:, i] for i in reversed(range(repeated.shape[1])))
        logits = decoder(layers, conditional_embeds.flatten(0, 1)).logits
        return (logits.unflatten(0, (-1, names)),)

    return Network(
        specs.CLIPSEG_DECODER,
        _Decoder(clipseg.model.decoder, clipseg.settings.image_size),
        source,
        axes,
        cases=tuple(
            {"batch": batch, "names": names} for batch, names in ((2, 3), (1, 1), (3, 2), (1, 5))
        ),
    )


class _VisionEncoder(nn.Module):
    """The vision transformer up to the last layer that the decoder reads, and its reductions."""

    positions: Tensor

    def __init__(self, clipseg: Any, image_size: int) -> None:
        super().__init__()
        vision = clipseg.clip.vision_model
        self.embeddings = vision.embeddings
        self.norm = vision.pre_layrnorm
        last = max(clipseg.extract_layers)
        self.layers = vision.encoder.layers[: last + 1]
        self.reductions = clipseg.decoder.reduces
        self.extracted = [int(i) for i in clipseg.extract_layers]
        side = image_size // vision.config.patch_size
        with torch.no_grad():
            # As transformers grows them for an input of this size; here once, while exporting.
            patches = torch.zeros(1, 1 + side * side, vision.config.hidden_size)
            positions = self.embeddings.interpolate_pos_encoding(patches, image_size, image_size)
        self.register_buffer("positions", positions.detach().clone(), persistent=False)

    def forward(self, pixel_values: Tensor) -> Tensor:
        """Float32 [B, 3, S, S] to [B, L, 1 + patches, reduced], the deepest layer first."""
        patches = self.embeddings.patch_embedding(pixel_values).flatten(2).transpose(1, 2)
        start = self.embeddings.class_embedding.expand(patches.shape[0], 1, -1)
        hidden = self.norm(torch.cat([start, patches], dim=1) + self.positions)
        found: dict[int, Tensor] = {}
        for i, layer in enumerate(self.layers):
            hidden = layer(hidden, attention_mask=None)
            found[i] = hidden
        deepest_first = self.extracted[::-1]
        return torch.stack(
            [reduce(found[i]) for reduce, i in zip(self.reductions, deepest_first, strict=True)],
            dim=1,
        )


class _Decoder(nn.Module):
    """CLIPSeg's decoder with every name of a crop side by side.

    What comes before the names enter is computed once a crop.
    """

    def __init__(self, decoder: Any, image_size: int) -> None:
        super().__init__()
        self.decoder = decoder
        self.image_size = image_size

    def forward(self, activations: Tensor, conditional_embeds: Tensor) -> Tensor:
        """Decode each name of each crop.

        Args:
            activations: float32 [B, L, P, R], the deepest layer first; the first of P is no patch.
            conditional_embeds: float32 [B, N, C].

        Returns:
            Logits, float32 [B, N, S, S].
        """
        scale = self.decoder.film_mul(conditional_embeds)[:, :, None]  # [B, N, 1, R]
        shift = self.decoder.film_add(conditional_embeds)[:, :, None]
        hidden = torch.zeros_like(activations[:, :1])  # [B, 1, P, R] until names enter
        for i, layer in enumerate(self.decoder.layers):
            hidden = hidden + activations[:, i, None]
            if i == self.decoder.conditional_layer:
                hidden = hidden * scale + shift
            rows = layer(hidden.flatten(0, 1), attention_mask=None)
            hidden = rows.reshape(hidden.shape)
        patches = hidden.flatten(0, 1)[:, 1:].transpose(1, 2)  # [B * N, R, P - 1]
        side = int(patches.shape[-1] ** 0.5)
        logits = self.decoder.transposed_convolution(
            patches.reshape(-1, patches.shape[1], side, side)
        )
        shape = (scale.shape[0], scale.shape[1], self.image_size, self.image_size)
        in_names: Tensor = logits.reshape(shape)
        return in_names
