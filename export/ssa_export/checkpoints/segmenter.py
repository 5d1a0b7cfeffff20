"""Semantic segmenters: what `AutoModelForSemanticSegmentation` loads, OneFormer, Mask2Former."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from transformers import AutoModelForSemanticSegmentation
from transformers.models.auto.modeling_auto import MODEL_FOR_SEMANTIC_SEGMENTATION_MAPPING_NAMES

from ssa_backend.settings import SegmenterSettings
from ssa_export.checkpoints.mask_classification import MODEL_CLASSES, load_mask_classifier
from ssa_export.checkpoints.normalisation import normalisation
from ssa_export.checkpoints.source import (
    Source,
    check_weights,
    read_config,
    read_processor,
    reading,
)
from ssa_export.checkpoints.transformers_folder import find_folder, load_pretrained
from ssa_export.errors import CheckpointError


@dataclass(frozen=True)
class LoadedSegmenter:
    """A semantic segmenter in evaluation mode, and what serving must know about it.

    `reads_bgr` is True for models that were trained on BGR, such as MobileViT. `unused` names
    weights in the file that the model has no place for, such as an auxiliary training head's.
    """

    model: Any
    settings: SegmenterSettings
    reads_bgr: bool = False
    unused: tuple[str, ...] = ()


def load_segmenter(source: str) -> LoadedSegmenter:
    """Load a semantic segmenter from a Hub id or a transformers folder.

    Raises:
        CheckpointError: the source is missing, broken or no semantic segmenter.
    """
    found = find_folder(source)
    model_type = read_config(found)["model_type"]
    if model_type not in (*MODEL_CLASSES, *MODEL_FOR_SEMANTIC_SEGMENTATION_MAPPING_NAMES):
        known = (*MODEL_FOR_SEMANTIC_SEGMENTATION_MAPPING_NAMES, *MODEL_CLASSES)
        raise CheckpointError(
            f"{found.name} is a {model_type!r} checkpoint; expected a semantic segmenter, one of "
            f"{', '.join(known)}."
        )
    # OneFormer's processor would fetch its classes' names from the Hub.
    overrides = {"class_info_file": None} if model_type == "oneformer" else {}
    processor = read_processor(found, **overrides)
    if processor is None:
        raise CheckpointError(
            f"{found.name} has no preprocessor_config.json; expected one that gives the "
            "segmenter's input size and normalisation."
        )
    check_weights(found)
    model: Any
    if model_type in MODEL_CLASSES:
        model, unused = load_mask_classifier(found, model_type)
    else:
        model, unused = load_pretrained(AutoModelForSemanticSegmentation, found)
    height, width = _input_size(found, processor)
    classes, logits_height, logits_width = _logits_shape(found, model, height, width)
    mean, std = normalisation(processor)
    settings = SegmenterSettings(
        height=height,
        width=width,
        logits_height=logits_height,
        logits_width=logits_width,
        labels=_labels(found, model.config.id2label, classes),
        mean=mean,
        std=std,
        # The original SSA grows Segformer's logits this way; transformers itself, everything
        # else, the other.
        align_corners=model_type == "segformer",
        source=found.name,
        sha256=found.sha256(),
    )
    reads_bgr = bool(processor.get("do_flip_channel_order", False))
    return LoadedSegmenter(model, settings, reads_bgr, tuple(unused))


def _input_size(source: Source, processor: Mapping[str, Any]) -> tuple[int, int]:
    """Height and width of the network's input, in pixels."""
    # What is cropped in the end is what the network reads.
    size = processor.get("crop_size") if processor.get("do_center_crop") else processor.get("size")
    if isinstance(size, int):
        return size, size
    if isinstance(size, Mapping):
        # A processor that keeps the aspect ratio bounds the sides. The network's are fixed: a
        # square of the shorter bound; but a bound of twice that was made for Cityscapes' frames.
        short, long = size.get("shortest_edge"), size.get("longest_edge")
        square = short or long
        wide = long if short and long == 2 * short else square
        height, width = size.get("height", square), size.get("width", wide)
        if height and width:
            return int(height), int(width)
    raise CheckpointError(
        f"{source.name}: its preprocessor_config.json has size {size!r}; "
        "expected a height and a width."
    )


def _logits_shape(source: Source, model: Any, height: int, width: int) -> tuple[int, int, int]:
    """Classes, height and width of the logits for an input of this size."""
    with (
        reading(source.name, f"a network that reads {height}x{width} images"),
        torch.inference_mode(),
    ):
        logits = model(pixel_values=torch.zeros(1, 3, height, width)).logits
    _, classes, logits_height, logits_width = logits.shape
    return classes, logits_height, logits_width


def _labels(source: Source, id2label: Mapping[int, str], classes: int) -> tuple[str, ...]:
    """The class names in the order of their ids."""
    if sorted(id2label) != list(range(classes)):
        raise CheckpointError(
            f"{source.name}: id2label in its config names {len(id2label)} classes, "
            f"the network has {classes}; expected the ids 0 to {classes - 1}."
        )
    return tuple(id2label[i] for i in range(classes))
