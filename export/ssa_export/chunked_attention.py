"""SAM's attention over a whole image, in chunks of its queries.

The scores of every place against every place, and the terms of their distances in rows and columns
(`add_decomposed_rel_pos` of segment-anything, after MViTv2, https://arxiv.org/abs/2112.01526), are
800 MB each in ViT-B and more in larger ones. Softmax takes a query at a time, so that the chunks'
numbers are those of the whole; only one chunk's are in memory.

Axes: B images, H and W the embedding's rows and columns, S = H * W places, C channels, N heads, D
channels of a head, R rows of a chunk.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

# A chunk takes whole rows of queries. With fewer it was no faster.
QUERIES = 256


class ChunkedAttention(nn.Module):
    """In place of a `SamVisionAttention` with relative positions, of the same weights."""

    def __init__(self, attention: Any) -> None:
        super().__init__()
        self.whole = attention

    @staticmethod
    def pays(attention: Any) -> bool:
        """Whether a `SamVisionAttention` has more queries than a chunk takes."""
        if not attention.use_rel_pos:
            return False
        return _side(attention.rel_pos_h) * _side(attention.rel_pos_w) > QUERIES

    def forward(self, hidden_states: Tensor) -> tuple[Tensor, None]:
        """Attend within images [B, H, W, C], to the same shape; there are no weights to give."""
        images, rows, columns, _ = hidden_states.shape
        whole, heads = self.whole, self.whole.num_attention_heads
        by_head = whole.qkv(hidden_states).reshape(images, rows, columns, 3, heads, -1)
        query, key, value = by_head.permute(3, 0, 4, 1, 2, 5).flatten(1, 2).unbind(0)
        keys, values = key.flatten(1, 2).transpose(1, 2), value.flatten(1, 2)
        # A term for every query and row, and one for every query and column.
        row_distances = whole.get_rel_pos(rows, rows, whole.rel_pos_h)
        column_distances = whole.get_rel_pos(columns, columns, whole.rel_pos_w)
        by_row = torch.einsum("bhwd,hkd->bhwk", query, row_distances)[..., :, None]
        by_column = torch.einsum("bhwd,wkd->bhwk", query, column_distances)[..., None, :]
        read = []
        for start in range(0, rows, step := max(1, QUERIES // columns)):
            chunk = slice(start, start + step)
            scores = (query[:, chunk] * whole.scale).flatten(1, 2) @ keys  # [B * N, R * W, S]
            places = (by_row[:, chunk] + by_column[:, chunk]).reshape_as(scores)
            read.append(torch.softmax(scores + places, dim=-1) @ values)
        together = torch.cat(read, dim=1).reshape(images, heads, rows, columns, -1)
        return whole.proj(together.permute(0, 2, 3, 1, 4).reshape_as(hidden_states)), None


def _side(positions: Tensor) -> int:
    """The places of an axis, of which there are 2 L - 1 distances."""
    return (positions.shape[0] + 1) // 2
