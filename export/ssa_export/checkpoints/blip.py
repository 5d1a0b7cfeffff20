"""BLIP captioners: any folder that `BlipForConditionalGeneration` loads."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from transformers import BlipForConditionalGeneration

from ssa_backend.settings import BlipSettings
from ssa_export.checkpoints.normalisation import read_normalisation
from ssa_export.checkpoints.tokenizer import read_tokenizer
from ssa_export.checkpoints.transformers_folder import load_family
from ssa_export.errors import CheckpointError


@dataclass(frozen=True)
class LoadedBlip:
    """A `BlipForConditionalGeneration` in evaluation mode, and what serving must know about it.

    `tokenizer` is the text of a `tokenizer.json`; `unused` names weights in the file that the
    model has no place for.
    """

    model: Any
    settings: BlipSettings
    tokenizer: str
    unused: tuple[str, ...] = ()


def load_blip(source: str) -> LoadedBlip:
    """Load a BLIP captioner from a Hub id or a transformers folder.

    Raises:
        CheckpointError: the source is missing, broken or no captioner.
    """
    found, model, unused = load_family(BlipForConditionalGeneration, source, "BLIP")
    if not model.config.text_config.is_decoder:
        raise CheckpointError(
            f"{found.name} has a text encoder; expected a captioner, whose text_config has "
            "is_decoder."
        )
    vision = model.config.vision_config
    mean, std = read_normalisation(found, BlipSettings.mean, BlipSettings.std)
    settings = BlipSettings(
        image_size=vision.image_size,
        patches=1 + (vision.image_size // vision.patch_size) ** 2,
        width=vision.hidden_size,
        mean=mean,
        std=std,
        source=found.name,
        sha256=found.sha256(),
    )
    return LoadedBlip(model, settings, read_tokenizer(found), unused)
