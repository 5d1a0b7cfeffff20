"""Which checkpoints and mask settings a name stands for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ssa_backend.settings import MaskSettings
from ssa_export.errors import ExportError

# A clone carries the mini checkpoints beside this package; an installed wheel does not.
CHECKPOINTS = Path(__file__).parent.parent / "checkpoints"

# The closed-set runs of the original SSA: a 64x64 grid over the image and over its four quarters.
_CLOSED_SET_MASKS = MaskSettings(points_per_side=64, crop_n_layers=1)
_FOGGY_MASKS = MaskSettings(points_per_side=128, crop_n_layers=1)
# Its engine's runs, the second of them its light mode.
_ENGINE_MASKS = MaskSettings(points_per_side=32, crop_n_layers=0)
_LIGHT_ENGINE_MASKS = MaskSettings(points_per_side=16, crop_n_layers=0)

# Easier than segment-anything's 0.86 and 0.92, which let few of a small model's masks pass. Chosen
# for the mIoU on scenes of `training.calibrate`'s seed, which no figure is reported on.
_MINI_MASKS = MaskSettings(pred_iou_thresh=0.65, stability_score_thresh=0.85)

_SAM_HUGE = "facebook/sam-vit-huge"
_ONEFORMER = "shi-labs/oneformer"

# The parts that the engine needs, all of them together.
ENGINE_PARTS = ("coco", "ade20k", "blip", "clip", "clipseg")


@dataclass(frozen=True)
class Preset:
    """Checkpoints by the part that they play: a Hub id, a transformers folder; SAM's also a file.

    A part that is None is not exported. `compact_weights` is the option of that name.
    """

    name: str
    sam: str
    segmenter: str | None = None
    masks: MaskSettings = field(default_factory=MaskSettings)
    coco: str | None = None
    ade20k: str | None = None
    blip: str | None = None
    clip: str | None = None
    clipseg: str | None = None
    compact_weights: bool = False

    def swapped(self, sources: Mapping[str, str | None]) -> Preset:
        """This preset with other `sources` by part, which its name tells; None leaves a part."""
        given: dict[str, Any] = {part: source for part, source in sources.items() if source}
        return replace(self, name=", other ".join([self.name, *given]), **given)

    def check_complete(self) -> None:
        """Check that what is given makes a pipeline, with nothing left over.

        Raises:
            ExportError: there is neither a segmenter nor an engine, or a part of one.
        """
        missing = [part for part in ENGINE_PARTS if getattr(self, part) is None]
        if len(missing) == len(ENGINE_PARTS):
            if self.segmenter is None:
                raise ExportError(
                    f"preset {self.name!r} has nothing to name masks with; expected a segmenter, "
                    f"or the engine's {', '.join(ENGINE_PARTS)}."
                )
        elif missing:
            given = [part for part in ENGINE_PARTS if part not in missing]
            raise ExportError(
                f"preset {self.name!r} has {', '.join(given)} of the engine but not "
                f"{', '.join(missing)}; expected all of them, or none."
            )


def _mini(part: str) -> str:
    return str(CHECKPOINTS / f"mini-{part}")


def _closed_set(name: str, segmenter: str, masks: MaskSettings = _CLOSED_SET_MASKS) -> Preset:
    return Preset(name, _SAM_HUGE, segmenter, masks)


PRESETS = {
    preset.name: preset
    for preset in (
        Preset(
            "mini",
            _mini("sam"),
            _mini("segformer"),
            _MINI_MASKS,
            coco=_mini("segformer-coco"),
            ade20k=_mini("segformer-ade20k"),
            blip=_mini("blip"),
            clip=_mini("clip"),
            clipseg=_mini("clipseg"),
            compact_weights=True,
        ),
        _closed_set("ade20k-b0", "nvidia/segformer-b0-finetuned-ade-512-512"),
        _closed_set("ade20k-b2", "nvidia/segformer-b2-finetuned-ade-512-512"),
        _closed_set("ade20k-b5", "nvidia/segformer-b5-finetuned-ade-640-640"),
        _closed_set("cityscapes-b0", "nvidia/segformer-b0-finetuned-cityscapes-1024-1024"),
        _closed_set("cityscapes-b2", "nvidia/segformer-b2-finetuned-cityscapes-1024-1024"),
        _closed_set("cityscapes-b5", "nvidia/segformer-b5-finetuned-cityscapes-1024-1024"),
        _closed_set("ade20k-oneformer", f"{_ONEFORMER}_ade20k_swin_large"),
        _closed_set("cityscapes-oneformer", f"{_ONEFORMER}_cityscapes_swin_large"),
        _closed_set("foggy-driving", f"{_ONEFORMER}_cityscapes_swin_large", _FOGGY_MASKS),
        Preset(
            "engine-base",
            _SAM_HUGE,
            masks=_ENGINE_MASKS,
            coco=f"{_ONEFORMER}_coco_swin_large",
            ade20k=f"{_ONEFORMER}_ade20k_swin_large",
            blip="Salesforce/blip-image-captioning-large",
            clip="openai/clip-vit-large-patch14",
            clipseg="CIDAS/clipseg-rd64-refined",
        ),
        Preset(
            "engine-small",
            _SAM_HUGE,
            masks=_LIGHT_ENGINE_MASKS,
            coco=f"{_ONEFORMER}_coco_swin_large",
            ade20k=f"{_ONEFORMER}_ade20k_swin_tiny",
            blip="Salesforce/blip-image-captioning-base",
            clip="openai/clip-vit-base-patch32",
            clipseg="CIDAS/clipseg-rd16",
        ),
    )
}


def find_preset(name: str) -> Preset:
    """The preset called `name`.

    Raises:
        ExportError: there is none; the message lists those that exist.
    """
    if name not in PRESETS:
        raise ExportError(f"unknown preset {name!r}; known presets: {', '.join(PRESETS)}.")
    return PRESETS[name]
