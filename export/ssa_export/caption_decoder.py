"""BLIP's greedy decoding as one graph: a start, and a step inside an ONNX `Loop`.

Both are traced; the loop around the step is put together here, because no trace can follow a loop
whose length depends on what it computes. Weights, and what cross-attention needs of an image, stay
outside the loop's body and are read from there, so that no step copies them.

Axes below: B captions, H heads of D channels, C = H * D, P patches, T tokens so far.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from onnx import TensorProto, compose, helper, numpy_helper
from torch import Tensor, nn

from ssa_backend import specs
from ssa_export.tracing import OPSET, trace

# transformers' default length of what it generates, with the start token.
MAX_LENGTH = 20

_IMAGE_EMBEDS = specs.BLIP_TEXT_DECODER.inputs[0].name
_TOKEN_IDS = specs.BLIP_TEXT_DECODER.outputs[0].name
_BATCH, _PAST = "batch", "past"
# Prefixes keep apart the names that the two traces gave to what is inside them.
_START, _STEP = "start/", "step/"


class CaptionDecoder(nn.Module):
    """The two modules that greedy decoding consists of, over the same weights."""

    def __init__(self, blip: Any, patches: int, width: int) -> None:
        """Wrap a `BlipForConditionalGeneration` whose image embeddings are [B, patches, width]."""
        super().__init__()
        self.patches, self.width = patches, width
        self.start = _Start(blip, patches)
        self.step = _Step(blip)
        self.layers = len(self.step.layers)

    def build(self, scratch: Path) -> onnx.ModelProto:
        """The whole decoding as a graph from `image_embeds` to `token_ids`.

        Args:
            scratch: a folder with room for the weights.

        Raises:
            ExportError: a part cannot be traced.
        """
        layers = range(self.layers)
        cross = [f"cross_{kind}_{i}" for i in layers for kind in ("keys", "values")]
        past = [f"past_{kind}_{i}" for i in layers for kind in ("keys", "values")]
        state = ["token", "finished", *past]
        first = [f"first_{tensor}" for tensor in state]
        name = specs.BLIP_TEXT_DECODER.name
        image_embeds = torch.randn(2, self.patches, self.width)
        with torch.inference_mode():
            started = self.start(image_embeds)
            # Traced one token later: an empty cache, an axis of length 0, would stay empty.
            _, *second = self.step(torch.tensor(0), *started)
        start = trace(
            name,
            self.start,
            {_IMAGE_EMBEDS: image_embeds},
            [*cross, *first],
            {tensor: {0: _BATCH} for tensor in (_IMAGE_EMBEDS, *cross, *first)},
            scratch,
        )
        growing = {tensor: {0: _BATCH, 2: _PAST} for tensor in past}
        step = trace(
            name,
            self.step,
            {
                "position": torch.tensor(1),
                **dict(zip(cross, started[: len(cross)], strict=True)),
                **dict(zip(state, second, strict=True)),
            },
            ["unfinished", *(f"next_{tensor}" for tensor in state)],
            {
                **{tensor: {0: _BATCH} for tensor in (*cross, *state[:2])},
                **growing,
                **{f"next_{tensor}": axes for tensor, axes in growing.items()},
            },
            scratch,
        )
        return _compose(start, step, state, self.patches, self.width)


class _Start(nn.Module):
    """An image embedding to what is computed once: cross-attention, and the state to begin with."""

    def __init__(self, blip: Any, patches: int) -> None:
        super().__init__()
        config = blip.config.text_config
        self.patches = patches
        self.heads: int = config.num_attention_heads
        self.head_size: int = config.hidden_size // config.num_attention_heads
        self.start_token: int = config.bos_token_id
        self.cross: Any = nn.ModuleList(
            layer.crossattention.self for layer in blip.text_decoder.bert.encoder.layer
        )

    def forward(self, image_embeds: Tensor) -> tuple[Tensor, ...]:
        """Begin to decode.

        Args:
            image_embeds: float32 [B, P, width].

        Returns:
            For each layer keys, float32 [B, H, D, P], and values, [B, H, P, D], of cross-attention;
            the start token, int64 [B]; whether a caption has ended, bool [B]; for each layer an
            empty cache of keys and one of values, float32 [B, H, 0, D].
        """
        found: list[Tensor] = []
        for attention in self.cross:
            keys, values = (
                projection(image_embeds).reshape(-1, self.patches, self.heads, self.head_size)
                for projection in (attention.key, attention.value)
            )
            found += [keys.permute(0, 2, 3, 1), values.transpose(1, 2)]
        batch = image_embeds.shape[0]
        token = torch.full((batch,), self.start_token, dtype=torch.int64)
        empty = [
            torch.zeros(batch, self.heads, 0, self.head_size) for _ in range(2 * len(self.cross))
        ]
        return (*found, token, token != token, *empty)


class _Step(nn.Module):
    """One token to the next, as `BlipTextLMHeadModel` computes it for a sequence of one.

    Without an axis for that sequence: matrices then multiply [B, C], and the exporter reads the
    vocabulary's one table for both ends of the network.
    """

    def __init__(self, blip: Any) -> None:
        super().__init__()
        config = blip.config.text_config
        self.heads: int = config.num_attention_heads
        self.head_size: int = config.hidden_size // config.num_attention_heads
        self.end_token: int = config.sep_token_id
        self.padding: int = config.pad_token_id
        self.embeddings = blip.text_decoder.bert.embeddings
        self.layers = blip.text_decoder.bert.encoder.layer
        self.head = blip.text_decoder.cls.predictions

    def forward(self, position: Tensor, *tensors: Tensor) -> tuple[Tensor, ...]:
        """One step of greedy decoding.

        Args:
            position: int64 [], of the token that comes in.
            tensors: what `_Start` returns, the caches as long as `position` says.

        Returns:
            Whether any caption goes on, bool []; then the state as in `_Start`, one token later.
        """
        count = 2 * len(self.layers)
        cross, (token, finished), past = tensors[:count], tensors[count:-count], tensors[-count:]
        hidden = self.embeddings.word_embeddings(token)  # [B, C]
        hidden = hidden + self.embeddings.position_embeddings(position)
        hidden = self.embeddings.LayerNorm(hidden)
        caches: list[Tensor] = []
        for i, layer in enumerate(self.layers):
            attention = layer.attention
            keys, values = (
                torch.cat([past[2 * i + j], self._per_head(projection(hidden))], dim=2)
                for j, projection in enumerate((attention.self.key, attention.self.value))
            )
            caches += [keys, values]
            query = attention.self.query(hidden)
            hidden = attention.output(self._mix(query, keys.transpose(2, 3), values), hidden)
            attention = layer.crossattention
            query = attention.self.query(hidden)
            hidden = attention.output(self._mix(query, cross[2 * i], cross[2 * i + 1]), hidden)
            hidden = layer.feed_forward_chunk(hidden)
        following = self.head(hidden).argmax(dim=-1)
        following = torch.where(finished, self.padding, following)
        finished = finished | (following == self.end_token)
        return (~finished).any(), following, finished, *caches

    def _per_head(self, projected: Tensor) -> Tensor:
        """[B, C] as [B, H, 1, D]."""
        return projected.reshape(-1, self.heads, 1, self.head_size)

    def _mix(self, query: Tensor, keys: Tensor, values: Tensor) -> Tensor:
        """Attention of [B, C] to keys [B, H, D, N] and values [B, H, N, D]; [B, C] again."""
        per_head = self._per_head(query)
        scores = per_head @ keys / math.sqrt(self.head_size)
        mixed = torch.softmax(scores, dim=-1) @ values
        return mixed.reshape(-1, self.heads * self.head_size)


def _compose(
    start: onnx.ModelProto,
    step: onnx.ModelProto,
    state: list[str],
    patches: int,
    width: int,
) -> onnx.ModelProto:
    """A graph of `start` and a loop over `step`, whose tensors carry the names of `build`."""
    _prefix_inside(start, _START)
    _prefix_inside(step, _STEP)
    kinds = {value.name: value.type.tensor_type.elem_type for value in step.graph.input}
    body = helper.make_graph(
        [
            *step.graph.node,
            # The same tensor goes on to the next step and into the caption.
            helper.make_node("Identity", ["next_token"], ["written_token"]),
        ],
        "step",
        inputs=[
            helper.make_tensor_value_info("position", TensorProto.INT64, []),
            helper.make_tensor_value_info("going_on", TensorProto.BOOL, []),
            # Without shapes: those of the caches grow from step to step.
            *(helper.make_tensor_value_info(name, kinds[name], None) for name in state),
        ],
        outputs=[
            helper.make_tensor_value_info("unfinished", TensorProto.BOOL, []),
            *(helper.make_tensor_value_info(f"next_{name}", kinds[name], None) for name in state),
            helper.make_tensor_value_info("written_token", TensorProto.INT64, [_BATCH]),
        ],
    )
    loop = helper.make_node(
        "Loop",
        ["max_steps", "begin", *(f"first_{name}" for name in state)],
        [*(f"last_{name}" for name in state), "tokens_first"],
        name="decode",
        body=body,
    )
    graph = helper.make_graph(
        [
            *start.graph.node,
            loop,
            helper.make_node("Transpose", ["tokens_first"], [_TOKEN_IDS], perm=[1, 0]),
        ],
        specs.BLIP_TEXT_DECODER.name,
        inputs=[
            helper.make_tensor_value_info(
                _IMAGE_EMBEDS, TensorProto.FLOAT, [_BATCH, patches, width]
            )
        ],
        outputs=[
            helper.make_tensor_value_info(_TOKEN_IDS, TensorProto.INT64, [_BATCH, "caption_tokens"])
        ],
        initializer=[
            *start.graph.initializer,
            *step.graph.initializer,
            numpy_helper.from_array(np.array(MAX_LENGTH - 1), "max_steps"),
            numpy_helper.from_array(np.array(True), "begin"),
        ],
    )
    return helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=start.ir_version
    )


def _prefix_inside(model: onnx.ModelProto, prefix: str) -> None:
    """Put `prefix` before every name but those of the graph's inputs and outputs."""
    compose.add_prefix_graph(
        model.graph,
        prefix,
        rename_inputs=False,
        rename_outputs=False,
        rename_edges=True,
        rename_nodes=True,
        rename_initializers=True,
        rename_value_infos=True,
        inplace=True,
    )
