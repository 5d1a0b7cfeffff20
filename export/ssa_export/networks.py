"""The networks to export: what is traced, what it must equal, and inputs to compare them on.

A wrapper owns the tricks that tracing needs; the checkpoint's own model stays as it is and is
what the exported file is compared with.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from ssa_backend import specs
from ssa_export.checkpoints import LoadedSam, LoadedSegmenter
from ssa_export.mask_decoder import MaskDecoder

Array = NDArray[Any]
Draw = Callable[[np.random.Generator, tuple[int, ...]], Array]
Lengths = Mapping[str, int]


@dataclass(frozen=True)
class Network:
    """One exported model.

    Attributes:
        spec: its tensors; inputs and outputs of `module` and `source` stand in this order.
        module: what is traced.
        source: the checkpoint's own forward, the reference for every comparison.
        axes: lengths of the axes that the checkpoint fixes.
        cases: lengths of the other axes, one mapping a comparison; the first is also traced.
        draws: how to draw an input at random, by name; standard normal where none is given.
    """

    spec: specs.Model
    module: nn.Module
    source: Callable[..., tuple[Tensor, ...]]
    axes: Lengths
    cases: tuple[Lengths, ...]
    draws: Mapping[str, Draw] = field(default_factory=dict)

    def __post_init__(self) -> None:
        # A wrapper starts in training mode, and the exporter puts everything below it back into
        # the wrapper's mode when it is done: the source would drop out at random ever after.
        self.module.eval()

    def random_inputs(self, lengths: Lengths, rng: np.random.Generator) -> dict[str, Array]:
        """Fresh inputs by name, in the spec's order, for these lengths of the varying axes."""
        return {
            tensor.name: self.draws.get(tensor.name, _normal)(
                rng, self.shape(tensor, lengths)
            ).astype(tensor.numpy_dtype)
            for tensor in self.spec.inputs
        }

    def shape(self, tensor: specs.Tensor, lengths: Lengths) -> tuple[int, ...]:
        """The shape of an array for `tensor`, the batch included."""
        known = {**self.axes, **lengths}
        return tuple(
            axis if isinstance(axis, int) else known[axis]
            for axis in self.spec.batched_shape(tensor)
        )


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
    """SAM's prompt encoder and mask decoder: an embedding and points to three masks a prompt."""

    def source(image_embeddings: Tensor, coords: Tensor, labels: Tensor) -> tuple[Tensor, ...]:
        # transformers has an axis for images in front of the prompts; here all share one image.
        output = sam.model(
            image_embeddings=image_embeddings,
            input_points=coords[None],
            input_labels=labels[None],
            multimask_output=True,
        )
        return output.pred_masks[0], output.iou_scores[0]

    _, coords, labels = specs.SAM_MASK_DECODER.inputs
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
        },
    )


def semantic_segmenter(segmenter: LoadedSegmenter, axes: Lengths) -> Network:
    """A semantic segmenter: `pixel_values` in RGB to `logits`."""
    module = _Segmenter(segmenter.model, reads_bgr=segmenter.reads_bgr)

    def source(pixel_values: Tensor) -> tuple[Tensor, ...]:
        channels = [2, 1, 0] if segmenter.reads_bgr else [0, 1, 2]
        return (segmenter.model(pixel_values=pixel_values[:, channels]).logits,)

    # Traced at a batch of two: some architectures take another path for a single image.
    return Network(
        specs.SEMANTIC_SEGMENTER,
        module,
        source,
        axes,
        cases=({"batch": 2}, {"batch": 1}, {"batch": 3}),
    )


class _ImageEncoder(nn.Module):
    def __init__(self, sam: Any) -> None:
        super().__init__()
        self.encoder = sam.vision_encoder

    def forward(self, pixel_values: Tensor) -> Tensor:
        embeddings: Tensor = self.encoder(pixel_values).last_hidden_state
        return embeddings


class _Segmenter(nn.Module):
    def __init__(self, model: nn.Module, *, reads_bgr: bool) -> None:
        super().__init__()
        self.model = model
        self.reads_bgr = reads_bgr

    def forward(self, pixel_values: Tensor) -> Tensor:
        if self.reads_bgr:
            pixel_values = pixel_values.flip(1)
        logits: Tensor = self.model(pixel_values=pixel_values).logits
        return logits


def _normal(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    return rng.standard_normal(shape)
