"""Whether another runtime draws the same masks: what decides on a TensorRT plan, and on 8 bits.

A small error of the tensors says little: an encoder in half precision can be off by a percent and
segment well, or be off by as much and segment nothing. So the masks themselves are compared, after
encoder and decoder together, and for a segmenter the class of every pixel. What the engine's
networks give is compared with cosines: the direction of every vector.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ssa_backend import specs
from ssa_backend.settings import RepositorySettings
from ssa_export.errors import ParityError
from ssa_export.networks import Array, Network

# Runs one network: inputs by name to outputs by name.
Runner = Callable[[Mapping[str, Array]], Mapping[str, Array]]

MIN_MEAN_IOU = 0.98
MIN_SAME_CLASS = 0.98
MIN_COSINE = 0.99
_GRID = 8  # prompts a side
_BLOCKS = 8  # patches of colour a side


@dataclass(frozen=True)
class SamRunners:
    """The two networks of SAM on one runtime."""

    encode: Runner
    decode: Runner

    def mask_logits(self, pixel_values: Array, coords: Array, labels: Array) -> Array:
        """Encoder and decoder in a row: logits [prompts * 3, side, side] for one image."""
        inputs = self.decoder_inputs(pixel_values, coords, labels)
        return self.decode(inputs)[specs.SAM_MASK_DECODER.outputs[0].name]

    def decoder_inputs(self, pixel_values: Array, coords: Array, labels: Array) -> dict[str, Array]:
        """What the decoder gets of one image and its prompts, to draw every mask."""
        pixels, embeddings = specs.SAM_IMAGE_ENCODER.inputs[0], specs.SAM_IMAGE_ENCODER.outputs[0]
        image, points, kinds, min_iou = specs.SAM_MASK_DECODER.inputs
        return {
            image.name: self.encode({pixels.name: pixel_values})[embeddings.name],
            points.name: coords,
            kinds.name: labels,
            min_iou.name: np.array([-np.inf], np.float32),
        }


def grid_prompts(size: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """A coarse grid of points on an image of `size` pixels a side: [P, 1, 2] and labels [P, 1]."""
    steps = (np.arange(_GRID, dtype=np.float32) + 0.5) * (size / _GRID)
    coords = np.stack(np.meshgrid(steps, steps), axis=-1).reshape(-1, 1, 2)
    return coords, np.ones(coords.shape[:2], np.int64)


def mask_ious(got: Array, wanted: Array, threshold: float = 0.0) -> NDArray[np.float64]:
    """Intersection over union of each pair of masks.

    Args:
        got: logits, float [..., H, W].
        wanted: the reference's logits, of the same shape.
        threshold: a pixel above it belongs to the mask.

    Returns:
        One IoU for each pair in which either mask has a pixel; empty pairs say nothing.
    """
    a, b = got > threshold, wanted > threshold
    union = (a | b).sum(axis=(-2, -1))
    intersection = (a & b).sum(axis=(-2, -1))
    drawn = union > 0
    ious: NDArray[np.float64] = intersection[drawn] / union[drawn]
    return ious


def same_class_share(got: Array, wanted: Array) -> float:
    """The share of pixels whose best class is the same; logits, float [batch, classes, H, W]."""
    return float((got.argmax(axis=1) == wanted.argmax(axis=1)).mean())


def check_sam(
    candidate: SamRunners,
    reference: SamRunners,
    settings: RepositorySettings,
    rng: np.random.Generator,
    min_mean_iou: float = MIN_MEAN_IOU,
) -> float:
    """Compare the masks of a grid of prompts on a drawn image.

    Returns:
        The mean IoU.

    Raises:
        ParityError: it is below `min_mean_iou`, or the reference itself draws no mask.
    """
    size = settings.sam.image_size
    pixels = colour_blocks(rng, size, size)
    prompts = grid_prompts(size)
    ious = mask_ious(
        candidate.mask_logits(pixels, *prompts),
        reference.mask_logits(pixels, *prompts),
        settings.sam.mask_threshold,
    )
    if not ious.size:
        raise ParityError("SAM draws no mask on the test image; expected some to compare.")
    mean = float(ious.mean())
    if not mean >= min_mean_iou:
        raise ParityError(
            f"SAM draws masks whose mean IoU with those of the ONNX models as exported is "
            f"{mean:.3f} (lowest {ious.min():.3f}); expected at least {min_mean_iou}."
        )
    return mean


def check_segmenter(
    network: Network, candidate: Runner, reference: Runner, rng: np.random.Generator
) -> float:
    """Compare the class of every pixel on a drawn image.

    Returns:
        The share of pixels with the same class.

    Raises:
        ParityError: it is below `MIN_SAME_CLASS`.
    """
    model = network.spec
    (_, _, height, width) = network.shape(model.inputs[0], {"batch": 1})
    inputs, logits = (
        {model.inputs[0].name: colour_blocks(rng, height, width)},
        model.outputs[0].name,
    )
    share = same_class_share(candidate(inputs)[logits], reference(inputs)[logits])
    if not share >= MIN_SAME_CLASS:
        raise ParityError(
            f"the plan of {model.name} gives {share:.1%} of the pixels the ONNX model's class; "
            f"expected at least {MIN_SAME_CLASS:.0%}."
        )
    return share


def check_outputs(
    network: Network, candidate: Runner, reference: Runner, rng: np.random.Generator
) -> float:
    """Compare the vectors that a network gives, on random inputs in each of its cases.

    Returns:
        The lowest cosine between an output of the plan and of the ONNX model, over the last axis.

    Raises:
        ParityError: it is below `MIN_COSINE`.
    """
    lowest = 1.0
    for lengths in network.cases:
        inputs = network.random_inputs(lengths, rng)
        got, wanted = candidate(inputs), reference(inputs)
        for tensor in network.spec.outputs:
            cosine = cosines(got[tensor.name], wanted[tensor.name]).min()
            lowest = float(np.minimum(lowest, cosine))  # not a number stays so
    if not lowest >= MIN_COSINE:
        raise ParityError(
            f"the plan of {network.spec.name} gives a vector whose cosine with the ONNX model's is "
            f"{lowest:.3f}; expected at least {MIN_COSINE}."
        )
    return lowest


def cosines(got: Array, wanted: Array) -> NDArray[np.float64]:
    """Cosines between the vectors along the last axis of two arrays of the same shape."""
    a, b = got.astype(np.float64), wanted.astype(np.float64)
    lengths = np.linalg.norm(a, axis=-1) * np.linalg.norm(b, axis=-1)
    # A vector of zeros has no direction: not a number, which passes no comparison.
    with np.errstate(invalid="ignore"):
        found: NDArray[np.float64] = (a * b).sum(axis=-1) / lengths
    return found


def colour_blocks(rng: np.random.Generator, height: int, width: int) -> NDArray[np.float32]:
    """A normalised image [1, 3, height, width] with regions to find: patches of colour, noisy."""
    blocks = rng.standard_normal((3, _BLOCKS, _BLOCKS))
    rows = np.arange(height) * _BLOCKS // height
    columns = np.arange(width) * _BLOCKS // width
    noise = 0.1 * rng.standard_normal((3, height, width))
    image: NDArray[np.float32] = (blocks[:, rows][:, :, columns] + noise).astype(np.float32)
    return image[None]
