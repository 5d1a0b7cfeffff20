"""CLIP's text encoder, which CLIPSeg has too, and random texts to compare it on."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ssa_export.networks.network import Array, Draw, Lengths

# Before it was corrected, transformers wrote this id into every CLIP's config; what ends a text is
# then the highest id in it.
_LEGACY_END = 2


class TextEncoder(nn.Module):
    """Texts to embeddings, as `get_text_features` computes them without an attention mask.

    Written anew from the submodules: as traced, transformers' way of picking the end tokens becomes
    a dozen operators. Attention is causal and the embedding is read at the first end token, so
    what stands behind it changes nothing.
    """

    def __init__(self, text_model: Any, projection: nn.Module) -> None:
        super().__init__()
        self.embeddings = text_model.embeddings
        self.encoder = text_model.encoder
        self.norm = text_model.final_layer_norm
        self.end_token: int = text_model.config.eos_token_id
        self.projection = projection

    def forward(self, input_ids: Tensor) -> Tensor:
        """Int64 [B, T] to float32 [B, C]."""
        hidden = self.embeddings(input_ids)
        positions = torch.arange(input_ids.shape[1])
        hidden_from = torch.finfo(hidden.dtype).min
        mask = torch.where(positions[None] > positions[:, None], hidden_from, 0.0)
        hidden = self.encoder(hidden, attention_mask=mask[None, None]).last_hidden_state
        if self.end_token == _LEGACY_END:
            end = input_ids.to(torch.int32).argmax(dim=1)
        else:
            end = (input_ids == self.end_token).to(torch.int32).argmax(dim=1)
        at_end = end[:, None, None].expand(-1, 1, hidden.shape[2])
        embeds: Tensor = self.projection(self.norm(hidden.gather(1, at_end)[:, 0]))
        return embeds


def text_cases(context_length: int) -> tuple[Lengths, ...]:
    """Batches and lengths of texts to compare at, the longest that the network reads included."""
    shapes = ((2, 7), (1, 2), (3, context_length))
    return tuple({"batch": batch, "tokens": min(n, context_length)} for batch, n in shapes)


def random_texts(text_config: Any) -> Draw:
    """Draws ids below the end token, with one end token a row and padding behind it.

    Args:
        text_config: of a CLIP or a CLIPSeg.
    """
    end = text_config.eos_token_id
    if end == _LEGACY_END:
        end = text_config.vocab_size - 1

    def draw(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
        ids = rng.integers(0, end, shape)
        for row in ids:
            length = rng.integers(1, len(row))
            row[length:] = 0
            row[length] = end
        return ids

    return draw
