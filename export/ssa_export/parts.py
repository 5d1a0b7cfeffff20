"""The parts that a preset gives, loaded: their settings, networks and tokenizers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from ssa_backend import specs
from ssa_backend.labels import COCO_PANOPTIC, plain_name
from ssa_backend.settings import Precision, RepositorySettings
from ssa_export import networks
from ssa_export.checkpoints import (
    LoadedSegmenter,
    load_blip,
    load_clip,
    load_clipseg,
    load_sam,
    load_segmenter,
)
from ssa_export.model_config import VERSION
from ssa_export.networks import Lengths, Network
from ssa_export.presets import Preset

Report = Callable[[str], None]

_TOKENIZER = "_tokenizer.json"


@dataclass(frozen=True)
class Part:
    """What a checkpoint is there for: how to load it, and the networks that it becomes.

    `load` returns one of the `Loaded...` classes of `checkpoints`, which `networks` take together
    with the repository's axes.
    """

    title: str
    load: Callable[[str], Any]
    networks: tuple[Callable[[Any, Lengths], Network], ...]


def load_coco_segmenter(source: str) -> LoadedSegmenter:
    """A segmenter with COCO's labels as one says them (`wall-wood`: "wall"), others as they are.

    Raises:
        CheckpointError: the source is missing, broken or no semantic segmenter.
    """
    segmenter = load_segmenter(source)
    labels = tuple(
        plain_name(label) if label in COCO_PANOPTIC else label
        for label in segmenter.settings.labels
    )
    return replace(segmenter, settings=replace(segmenter.settings, labels=labels))


# By the names that they have in `Preset` and in `RepositorySettings`.
PARTS: Mapping[str, Part] = {
    "sam": Part("SAM", load_sam, (networks.image_encoder, networks.mask_decoder)),
    "segmenter": Part("the segmenter", load_segmenter, (networks.semantic_segmenter,)),
    "coco": Part(
        "COCO's segmenter",
        load_coco_segmenter,
        (partial(networks.semantic_segmenter, spec=specs.COCO_SEGMENTER),),
    ),
    "ade20k": Part(
        "ADE20K's segmenter",
        load_segmenter,
        (partial(networks.semantic_segmenter, spec=specs.ADE20K_SEGMENTER),),
    ),
    "blip": Part("BLIP", load_blip, (networks.blip_vision_encoder, networks.blip_text_decoder)),
    "clip": Part("CLIP", load_clip, (networks.clip_image_encoder, networks.clip_text_encoder)),
    "clipseg": Part(
        "CLIPSeg",
        load_clipseg,
        (
            networks.clipseg_vision_encoder,
            networks.clipseg_text_encoder,
            networks.clipseg_decoder,
        ),
    ),
}


@dataclass(frozen=True)
class LoadedParts:
    """What `Part.load` gave for each part of a preset, by the part's name."""

    by_name: Mapping[str, Any]

    def settings(
        self, preset: Preset, network_backend: str, sam_precision: Precision
    ) -> RepositorySettings:
        """What serving must know about all of them."""
        return RepositorySettings(
            preset.name,
            **{name: loaded.settings for name, loaded in self.by_name.items()},
            masks=preset.masks,
            network_backend=network_backend,
            sam_precision=sam_precision,
        )

    def networks(self, axes: Lengths) -> Iterator[Network]:
        """Every network to export, made one at a time, for some hold copies of weights."""
        for name, loaded in self.by_name.items():
            for network in PARTS[name].networks:
                yield network(loaded, axes)

    def write_tokenizers(self, repository: Path) -> None:
        """Write the tokenizers into the version folders of the steps that read them."""
        for step in (specs.CAPTIONING, specs.LABEL_DECISION):
            for file in step.files:
                loaded = self.by_name.get(file.removesuffix(_TOKENIZER))
                if loaded:
                    path = repository / step.name / VERSION / file
                    path.write_text(loaded.tokenizer, encoding="utf-8")


def load_parts(preset: Preset, report: Report) -> LoadedParts:
    """Load every part that `preset` gives.

    Raises:
        ExportError: parts that make no pipeline, or a source that cannot be loaded.
    """
    preset.check_complete()
    found = {}
    for name, part in PARTS.items():
        source = getattr(preset, name)
        if source is None:
            continue
        report(f"loading {part.title} from {source}")
        found[name] = part.load(source)
        unused = getattr(found[name], "unused", ())
        if unused:
            report(f"left out {len(unused)} weights that {part.title} does not use")
    return LoadedParts(found)
