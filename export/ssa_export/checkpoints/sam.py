"""SAM checkpoints: transformers folders and Meta's `.pth` files, both as one class."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from transformers import SamModel

from ssa_backend.settings import SamSettings
from ssa_export.checkpoints.meta_sam import load_meta_sam
from ssa_export.checkpoints.normalisation import read_normalisation
from ssa_export.checkpoints.source import (
    Source,
    check_weights,
    read_config,
    resolve,
)
from ssa_export.checkpoints.transformers_folder import load_pretrained
from ssa_export.errors import CheckpointError


@dataclass(frozen=True)
class LoadedSam:
    """A `transformers.SamModel` in evaluation mode, and what serving must know about it."""

    model: Any
    settings: SamSettings


def load_sam(source: str) -> LoadedSam:
    """Load SAM from a Hub id, a transformers folder or a `.pth` file in Meta's layout.

    Raises:
        CheckpointError: the source is missing, broken or no SAM.
    """
    found = resolve(source)
    if found.is_file:
        model = load_meta_sam(found.path)
        mean, std = SamSettings.mean, SamSettings.std
    else:
        model = _load_folder(found)
        # SAM checkpoints all share one normalisation; without a processor it still holds.
        mean, std = read_normalisation(found, SamSettings.mean, SamSettings.std)
    vision = model.config.vision_config
    embed_size = vision.image_size // vision.patch_size
    settings = SamSettings(
        image_size=vision.image_size,
        embed_dim=vision.output_channels,
        embed_size=embed_size,
        # The decoder's two transposed convolutions double the embedding's side twice.
        mask_size=4 * embed_size,
        mean=mean,
        std=std,
        source=found.name,
        sha256=found.sha256(),
    )
    return LoadedSam(model, settings)


def _load_folder(source: Source) -> Any:
    model_type = read_config(source)["model_type"]
    if model_type != SamModel.config_class.model_type:
        raise CheckpointError(
            f"{source.name} is a {model_type!r} checkpoint; expected SAM, model_type 'sam'."
        )
    check_weights(source)
    model, unexpected = load_pretrained(SamModel, source)
    if unexpected:
        raise CheckpointError(
            f"{source.name} holds weights that SAM has no place for, such as {unexpected[0]}."
        )
    return model
