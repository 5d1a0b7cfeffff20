"""The parts that a preset gives, loaded: their settings, networks and tokenizers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TypeVar

from ssa_backend import specs
from ssa_backend.labels import COCO_PANOPTIC, plain_name
from ssa_backend.settings import RepositorySettings
from ssa_export import networks
from ssa_export.checkpoints import (
    LoadedBlip,
    LoadedClip,
    LoadedClipSeg,
    LoadedSam,
    LoadedSegmenter,
    load_blip,
    load_clip,
    load_clipseg,
    load_sam,
    load_segmenter,
)
from ssa_export.model_config import VERSION
from ssa_export.networks import Network
from ssa_export.presets import Preset

L = TypeVar("L")
Report = Callable[[str], None]

_TOKENIZER = "_tokenizer.json"


@dataclass(frozen=True)
class LoadedParts:
    """Checkpoints by the part that they play, under the names of `RepositorySettings`."""

    sam: LoadedSam
    segmenter: LoadedSegmenter | None = None
    coco: LoadedSegmenter | None = None
    ade20k: LoadedSegmenter | None = None
    blip: LoadedBlip | None = None
    clip: LoadedClip | None = None
    clipseg: LoadedClipSeg | None = None

    def settings(self, preset: Preset, network_backend: str) -> RepositorySettings:
        """What serving must know about all of them."""
        loaded = {part.name: getattr(self, part.name) for part in fields(self)}
        return RepositorySettings(
            preset.name,
            **{name: part.settings for name, part in loaded.items() if part},
            masks=preset.masks,
            network_backend=network_backend,
        )

    def networks(self, settings: RepositorySettings) -> Iterator[Network]:
        """Every network to export, made one at a time, for some hold copies of weights."""
        axes = settings.axes
        yield networks.image_encoder(self.sam, axes)
        yield networks.mask_decoder(self.sam, axes)
        for segmenter, slot in (
            (self.segmenter, specs.SEMANTIC_SEGMENTER),
            (self.coco, specs.COCO_SEGMENTER),
            (self.ade20k, specs.ADE20K_SEGMENTER),
        ):
            if segmenter:
                yield networks.semantic_segmenter(segmenter, axes, slot)
        if self.blip:
            yield networks.blip_vision_encoder(self.blip, axes)
            yield networks.blip_text_decoder(self.blip, axes)
        if self.clip:
            yield networks.clip_image_encoder(self.clip, axes)
            yield networks.clip_text_encoder(self.clip, axes)
        if self.clipseg:
            yield networks.clipseg_vision_encoder(self.clipseg, axes)
            yield networks.clipseg_text_encoder(self.clipseg, axes)
            yield networks.clipseg_decoder(self.clipseg, axes)

    def write_tokenizers(self, repository: Path) -> None:
        """Write the tokenizers into the version folders of the steps that read them."""
        for step in (specs.CAPTIONING, specs.LABEL_DECISION):
            for file in step.files:
                part = getattr(self, file.removesuffix(_TOKENIZER))
                if part:
                    version = repository / step.name / VERSION
                    version.mkdir(parents=True, exist_ok=True)
                    (version / file).write_text(part.tokenizer, encoding="utf-8")


def load_parts(preset: Preset, report: Report) -> LoadedParts:
    """Load every part that `preset` gives.

    Raises:
        ExportError: parts that make no pipeline, or a source that cannot be loaded.
    """
    preset.check_complete()

    def load(kind: Callable[[str], L], what: str, source: str | None) -> L | None:
        if source is None:
            return None
        report(f"loading {what} from {source}")
        return kind(source)

    report(f"loading SAM from {preset.sam}")
    parts = LoadedParts(
        load_sam(preset.sam),
        load(load_segmenter, "the segmenter", preset.segmenter),
        load(_load_coco, "COCO's segmenter", preset.coco),
        load(load_segmenter, "ADE20K's segmenter", preset.ade20k),
        load(load_blip, "BLIP", preset.blip),
        load(load_clip, "CLIP", preset.clip),
        load(load_clipseg, "CLIPSeg", preset.clipseg),
    )
    for part in (parts.segmenter, parts.coco, parts.ade20k, parts.blip, parts.clip, parts.clipseg):
        if part and part.unused:
            report(f"left out {len(part.unused)} weights that {part.settings.source} does not use")
    return parts


def _load_coco(source: str) -> LoadedSegmenter:
    """A segmenter with COCO's labels as one says them (`wall-wood`: "wall"), others as they are."""
    segmenter = load_segmenter(source)
    labels = tuple(
        plain_name(label) if label in COCO_PANOPTIC else label
        for label in segmenter.settings.labels
    )
    return replace(segmenter, settings=replace(segmenter.settings, labels=labels))
