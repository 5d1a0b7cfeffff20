"""CLIP checkpoints: any folder that `transformers.CLIPModel` loads."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from transformers import CLIPModel

from ssa_backend.settings import ClipSettings
from ssa_export.checkpoints.normalisation import read_normalisation
from ssa_export.checkpoints.tokenizer import read_tokenizer
from ssa_export.checkpoints.transformers_folder import load_family


@dataclass(frozen=True)
class LoadedClip:
    """A `CLIPModel` in evaluation mode, what serving must know about it, and its tokenizer.

    `tokenizer` is the text of a `tokenizer.json`; `unused` names weights in the file that the
    model has no place for.
    """

    model: Any
    settings: ClipSettings
    tokenizer: str
    unused: tuple[str, ...] = ()


def load_clip(source: str) -> LoadedClip:
    """Load CLIP from a Hub id or a transformers folder.

    Raises:
        CheckpointError: the source is missing, broken or no CLIP.
    """
    found, model, unused = load_family(CLIPModel, source, "CLIP")
    mean, std = read_normalisation(found, ClipSettings.mean, ClipSettings.std)
    settings = ClipSettings(
        image_size=model.config.vision_config.image_size,
        embed_dim=model.config.projection_dim,
        logit_scale=float(model.logit_scale.detach().exp()),
        context_length=model.config.text_config.max_position_embeddings,
        mean=mean,
        std=std,
        source=found.name,
        sha256=found.sha256(),
    )
    return LoadedClip(model, settings, read_tokenizer(found), unused)
