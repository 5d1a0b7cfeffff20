"""CLIPSeg checkpoints: any folder that `CLIPSegForImageSegmentation` loads."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from transformers import CLIPSegForImageSegmentation

from ssa_backend.settings import ClipSegSettings
from ssa_export.checkpoints.normalisation import read_normalisation
from ssa_export.checkpoints.tokenizer import read_tokenizer
from ssa_export.checkpoints.transformers_folder import load_family
from ssa_export.errors import CheckpointError

# The published ones stand on CLIP's ViT-B/16, whose position embeddings are for 224 pixels, and
# the original SSA feeds them 512. A checkpoint of another side is read at its own.
_PUBLISHED_SIDE = 224
_ORIGINAL_SIDE = 512


@dataclass(frozen=True)
class LoadedClipSeg:
    """A `CLIPSegForImageSegmentation` in evaluation mode, and what serving must know about it.

    `tokenizer` is the text of a `tokenizer.json`; `unused` names weights in the file that the
    model has no place for.
    """

    model: Any
    settings: ClipSegSettings
    tokenizer: str
    unused: tuple[str, ...] = ()


def load_clipseg(source: str) -> LoadedClipSeg:
    """Load CLIPSeg from a Hub id or a transformers folder.

    Raises:
        CheckpointError: the source is missing, broken or no CLIPSeg.
    """
    found, model, unused = load_family(CLIPSegForImageSegmentation, source, "CLIPSeg")
    config = model.config
    depth = config.vision_config.num_hidden_layers
    if not all(0 <= i < depth for i in config.extract_layers):
        raise CheckpointError(
            f"{found.name} extracts layers {list(config.extract_layers)}; "
            f"its vision encoder has the layers 0 to {depth - 1}."
        )
    # Two convolutions that each grow by a quarter of the patch: only 16 comes out whole.
    patch = config.vision_config.patch_size
    if config.use_complex_transposed_convolution and (patch // 4) ** 2 != patch:
        raise CheckpointError(
            f"{found.name} has complex transposed convolutions and patches of {patch} pixels; "
            "expected patches of 16."
        )
    mean, std = read_normalisation(found, ClipSegSettings.mean, ClipSegSettings.std)
    side = input_side(config.vision_config.image_size)
    settings = ClipSegSettings(
        image_size=side,
        layers=len(config.extract_layers),
        patches=1 + (side // config.vision_config.patch_size) ** 2,
        reduced=config.reduce_dim,
        embed_dim=config.projection_dim,
        context_length=config.text_config.max_position_embeddings,
        mean=mean,
        std=std,
        source=found.name,
        sha256=found.sha256(),
    )
    return LoadedClipSeg(model, settings, read_tokenizer(found), unused)


def input_side(image_size: int) -> int:
    """The side in pixels at which a CLIPSeg with this `vision_config.image_size` is served."""
    return _ORIGINAL_SIDE if image_size == _PUBLISHED_SIDE else image_size
