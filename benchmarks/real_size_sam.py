"""A closed set of published size with random weights: SAM ViT-B and Segformer B0.

Random weights take as long as trained ones, but nothing passes their filters of itself. Here the
decoder's IoUs are moved to where a threshold can cut them in half, as good a share as trained
models give.
"""

from __future__ import annotations

from pathlib import Path

import torch
from transformers import SamModel

from benchmarks.export_parity import build_sam_folder, build_segformer
from ssa_export.presets import Preset

MIDDLE_IOU = 0.5


def build(folder: Path) -> Preset:
    """Write both checkpoints below `folder`: a preset of them."""
    torch.manual_seed(0)
    (sam := folder / "sam").mkdir()
    (segmenter := folder / "segmenter").mkdir()
    build_sam_folder("b", sam)
    build_segformer("ade20k", "b0", segmenter)
    model = SamModel.from_pretrained(sam)
    with torch.no_grad():
        head = model.mask_decoder.iou_prediction_head.proj_out
        head.bias.fill_(MIDDLE_IOU)
    model.save_pretrained(sam)
    return Preset("vit-b", str(sam), str(segmenter))
