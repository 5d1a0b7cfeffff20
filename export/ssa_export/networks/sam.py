"""SAM as two networks: the image once, and any number of prompts on it."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ssa_backend import specs
from ssa_export.checkpoints import LoadedSam
from ssa_export.chunked_attention import ChunkedAttention
from ssa_export.mask_decoder import MaskDecoder
from ssa_export.networks.network import Lengths, Network


def image_encoder(sam: LoadedSam, axes: Lengths) -> Network:
    """SAM's image encoder: `pixel_values` to `image_embeddings`."""

    def source(pixel_values: Tensor) -> tuple[Tensor, ...]:
        return (sam.model.get_image_embeddings(pixel_values),)

    return Network(
        specs.SAM_IMAGE_ENCODER,
        _ImageEncoder(sam.model),
        source,
        axes,
        cases=({"batch": 1}, {"batch": 2}),
    )


def mask_decoder(sam: LoadedSam, axes: Lengths) -> Network:
    """SAM's prompt encoder and mask decoder: an embedding and points to the masks worth drawing."""

    def source(
        image_embeddings: Tensor, coords: Tensor, labels: Tensor, min_iou: Tensor
    ) -> tuple[Tensor, ...]:
        # transformers has an axis for images in front of the prompts; here all share one image.
        output = sam.model(
            image_embeddings=image_embeddings,
            input_points=coords[None],
            input_labels=labels[None],
            multimask_output=True,
        )
        return output.pred_masks[0][output.iou_scores[0] > min_iou], output.iou_scores[0]

    _, coords, labels, min_iou = specs.SAM_MASK_DECODER.inputs
    typical = _typical_iou(sam, source)
    return Network(
        specs.SAM_MASK_DECODER,
        MaskDecoder(sam.model),
        source,
        axes,
        cases=tuple(
            {"prompts": prompts, "points": points}
            for prompts, points in ((2, 2), (1, 1), (5, 3), (64, 1))
        ),
        draws={
            coords.name: lambda rng, shape: rng.uniform(0, sam.settings.image_size, shape),
            labels.name: lambda rng, shape: rng.integers(-1, 2, shape),
            # All masks, or some.
            min_iou.name: lambda rng, shape: rng.choice([-np.inf, typical], shape),
        },
    )


def _typical_iou(sam: LoadedSam, decode: Callable[..., tuple[Tensor, ...]]) -> float:
    """An IoU above which the checkpoint predicts some and not all, in noise."""
    generator = torch.Generator().manual_seed(0)
    settings = sam.settings
    shape = (1, settings.embed_dim, settings.embed_size, settings.embed_size)
    with torch.inference_mode():
        _, ious = decode(
            torch.randn(shape, generator=generator),
            torch.rand((8, 1, 2), generator=generator) * settings.image_size,
            torch.ones((8, 1), dtype=torch.int64),
            torch.tensor([-torch.inf]),
        )
    return float(ious.median())


class _ImageEncoder(nn.Module):
    def __init__(self, sam: Any) -> None:
        super().__init__()
        encoder = sam.vision_encoder
        # A copy of the modules, not of the weights.
        self.encoder = copy.deepcopy(encoder, {id(held): held for held in encoder.parameters()})
        for layer in self.encoder.layers:
            if ChunkedAttention.pays(layer.attn):
                layer.attn = ChunkedAttention(layer.attn)

    def forward(self, pixel_values: Tensor) -> Tensor:
        embeddings: Tensor = self.encoder(pixel_values).last_hidden_state
        return embeddings
