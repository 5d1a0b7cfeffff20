"""Attention between a few tokens and a large image, without projecting the image.

Of a head's score `(x Wq + bq) . (y Wk + bk)` one side's matrix can be applied to the other side:
`(x Wq + bq) Wk' . y`, and what is the same for all `y` softmax does not see. `Wv Wo` can be applied
to what was read, or to what is going to be. A head then compares and mixes vectors of C channels
instead of C / 2H: dear for the few, but the many stay as they are. The numbers are the same but for
rounding.

Axes: P prompts, T tokens, S pixels of the image's embedding, C channels, H heads, D channels of a
head.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn


class _Absorbed(nn.Module):
    def __init__(self, attention: Any) -> None:
        super().__init__()
        self.heads: int = attention.num_attention_heads

    def _hold(self, name: str, tensor: Tensor) -> None:
        self.register_buffer(name, tensor.contiguous(), persistent=False)

    def _by_head(self, tokens: Tensor) -> Tensor:
        """[P, T, H * C] as [P, H * T, C]."""
        return _split(tokens, 2, self.heads).transpose(1, 2).flatten(1, 2)


class ReadingTokens(_Absorbed):
    """Tokens that attend to an image, by the weights of a `SamAttention`."""

    ask: Tensor
    ask_bias: Tensor
    mix: Tensor
    mix_bias: Tensor

    def __init__(self, attention: Any) -> None:
        super().__init__(attention)
        query, query_bias, key, mix, mix_bias = _matrices(attention)
        self._hold("ask", (query.transpose(1, 2) @ key).transpose(0, 1).flatten(1))
        self._hold("ask_bias", (query_bias[:, None] @ key).flatten())
        self._hold("mix", mix.flatten(0, 1))
        self._hold("mix_bias", mix_bias)

    def forward(self, tokens: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """What tokens [P, T, C] read; `key` and `value` are images [P, S, C]."""
        queries = self._by_head(tokens @ self.ask + self.ask_bias)
        weights = torch.softmax(queries @ key.transpose(1, 2), dim=-1)  # [P, H * T, S]
        read = _split(weights @ value, 1, self.heads)
        return read.transpose(1, 2).flatten(2) @ self.mix + self.mix_bias


class ReadingImage(_Absorbed):
    """An image that attends to tokens, by the weights of a `SamAttention`."""

    answer: Tensor
    offset: Tensor
    mix: Tensor
    mix_bias: Tensor

    def __init__(self, attention: Any) -> None:
        super().__init__(attention)
        query, query_bias, key, mix, mix_bias = _matrices(attention)
        self._hold("answer", (key.transpose(1, 2) @ query).transpose(0, 1).flatten(1))
        self._hold("offset", (key.transpose(1, 2) @ query_bias[:, :, None])[:, :, 0].T)
        self._hold("mix", mix.transpose(0, 1).flatten(1))
        # Of every head's values a part: there are fewer of them than pixels to add it to.
        self._hold("mix_bias", (mix_bias / self.heads).repeat(self.heads))

    def forward(self, image: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """What an image [1 or P, S, C] reads; `key` and `value` are tokens [P, T, C]."""
        keys = self._by_head(key @ self.answer)
        offsets = (key @ self.offset).transpose(1, 2).flatten(1)[:, None]
        scores = image @ keys.transpose(1, 2) + offsets  # [P, S, H * T]
        weights = torch.softmax(_split(scores, 2, self.heads), dim=-1).flatten(2)
        return weights @ self._by_head(value @ self.mix + self.mix_bias)


def _matrices(attention: Any) -> tuple[Tensor, ...]:
    """Of every head the scaled query [H, D, C] and its bias [H, D], the key [H, D, C], and what
    takes values to the output, [H, C, C]; of all heads together the bias of the last, [C]."""
    heads: int = attention.num_attention_heads
    scale = math.sqrt(attention.q_proj.out_features // heads)
    query, key, value = (
        _split(linear.weight.detach(), 0, heads)
        for linear in (attention.q_proj, attention.k_proj, attention.v_proj)
    )
    query_bias = _split(attention.q_proj.bias.detach(), 0, heads)
    out = attention.out_proj
    mix = value.transpose(1, 2) @ _split(out.weight.detach().T, 0, heads)
    # The weights of a query sum to 1: the values' bias goes through whole.
    mix_bias = out.weight.detach() @ attention.v_proj.bias.detach() + out.bias.detach()
    return query / scale, query_bias / scale, key, mix, mix_bias


def _split(tensor: Tensor, axis: int, heads: int) -> Tensor:
    """An axis in two, heads first."""
    split: Tensor = tensor.unflatten(axis, (heads, -1))  # type: ignore[no-untyped-call]
    return split
