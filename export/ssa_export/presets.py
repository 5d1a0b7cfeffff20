"""Which checkpoints and mask settings a name stands for."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from ssa_backend.settings import MaskSettings
from ssa_export.errors import ExportError

# A clone carries the mini checkpoints beside this package; an installed wheel does not.
CHECKPOINTS = Path(__file__).parent.parent / "checkpoints"

# The closed-set runs of the original SSA: a 64x64 grid over the image and over its four quarters.
_CLOSED_SET_MASKS = MaskSettings(points_per_side=64, crop_n_layers=1)

# Easier than segment-anything's 0.86 and 0.92, which let few of a small model's masks pass. Chosen
# for the mIoU on scenes of `training.calibrate`'s seed, which no figure is reported on.
_MINI_MASKS = MaskSettings(pred_iou_thresh=0.65, stability_score_thresh=0.85)


@dataclass(frozen=True)
class Preset:
    """A named pair of checkpoints: each a Hub id, a transformers folder or a `.pth` file."""

    name: str
    sam: str
    segmenter: str
    masks: MaskSettings = field(default_factory=MaskSettings)


def _closed_set(name: str, segmenter: str) -> Preset:
    return Preset(name, "facebook/sam-vit-huge", f"nvidia/segformer-{segmenter}", _CLOSED_SET_MASKS)


PRESETS = {
    preset.name: preset
    for preset in (
        Preset(
            "mini",
            str(CHECKPOINTS / "mini-sam"),
            str(CHECKPOINTS / "mini-segformer"),
            _MINI_MASKS,
        ),
        _closed_set("ade20k-b0", "b0-finetuned-ade-512-512"),
        _closed_set("ade20k-b2", "b2-finetuned-ade-512-512"),
        _closed_set("ade20k-b5", "b5-finetuned-ade-640-640"),
        _closed_set("cityscapes-b0", "b0-finetuned-cityscapes-1024-1024"),
        _closed_set("cityscapes-b2", "b2-finetuned-cityscapes-1024-1024"),
        _closed_set("cityscapes-b5", "b5-finetuned-cityscapes-1024-1024"),
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
