"""Make a trained mini SAM's scores mean what mask generation takes them to mean.

Run `python -m ssa_export.training.calibrate` after training. No mask changes; two linear layers do.

- A short training leaves the IoU head timid. A line through what it predicts and what is true,
  fitted on scenes of their own seeds, goes into its last layer.
- The stability score asks how much a mask grows when its threshold moves by 1 logit, so it depends
  on the logits' scale, on which a loss has little hold. The scale goes up until good masks are
  stable.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import torch

from ssa_backend.settings import MaskSettings
from ssa_export.checkpoints.sam import load_sam
from ssa_export.scenes import render_scene, scene_seed
from ssa_export.training.sam_network import Answer, SamNetwork
from ssa_export.training.saving import save_network

CALIBRATION_SEED: Final = 12
"""Scenes are `scene_seed(CALIBRATION_SEED, k)`: neither trained nor evaluated on."""

GOOD_IOU: Final = 0.85
STABLE_SHARE: Final = 0.9
SCALES: Final = (1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0)

_FIRST = 1  # of the head's four outputs, the first belongs to the single mask that nobody asks for


def stability_at(
    answer: Answer, output: int, scales: tuple[float, ...], offset: float
) -> list[float]:
    """The stability score of one mask, had its logits been multiplied by each scale."""
    logits = answer.logits[output]
    return [
        float((logits > offset / s).sum() / max((logits > -offset / s).sum(), 1)) for s in scales
    ]


@torch.no_grad()
def calibrate(folder: Path, scenes: int, prompts: int) -> None:
    """Rewrite the weights of the checkpoint in `folder`."""
    sam = load_sam(str(folder))
    network, settings = SamNetwork(sam), MaskSettings()
    rng = np.random.default_rng(CALIBRATION_SEED)
    predicted, true, stability = [], [], []
    for index in range(scenes):
        scene = render_scene(scene_seed(CALIBRATION_SEED, index))
        for answer in network.ask(scene, rng, prompts):
            ious = answer.ious()
            predicted.append(answer.predicted)
            true.append(ious)
            stability += [
                stability_at(answer, output, SCALES, settings.stability_score_offset)
                for output in np.flatnonzero(ious >= GOOD_IOU)
            ]
    _set_iou_head(sam.model, np.array(predicted), np.array(true))
    stable = (np.array(stability) >= settings.stability_score_thresh).mean(axis=0)
    for candidate, share in zip(SCALES, stable, strict=True):
        print(f"logits times {candidate}: {share:.1%} of good masks are stable")
    enough = [s for s, share in zip(SCALES, stable, strict=True) if share >= STABLE_SHARE]
    scale = enough[0] if enough else SCALES[-1]
    _scale_logits(sam.model, scale)
    save_network(sam.model, folder)


def _set_iou_head(
    model: Any, predicted: npt.NDArray[np.float32], true: npt.NDArray[np.float32]
) -> None:
    last = model.mask_decoder.iou_prediction_head.proj_out
    for output in range(predicted.shape[1]):
        slope, shift = np.polyfit(predicted[:, output], true[:, output], 1)
        print(f"IoU head, mask {output}: true = {slope:.3f} * predicted + {shift:.3f}")
        row = _FIRST + output
        last.weight[row] *= slope
        last.bias[row] = last.bias[row] * slope + shift


def _scale_logits(model: Any, scale: float) -> None:
    print(f"mask logits: times {scale}")
    for head in model.mask_decoder.output_hypernetworks_mlps:
        head.proj_out.weight *= scale
        head.proj_out.bias *= scale


def main() -> None:
    """Read the command line and calibrate."""
    parser = argparse.ArgumentParser(
        prog="python -m ssa_export.training.calibrate",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--sam", type=Path, default=Path("export/checkpoints/mini-sam"))
    parser.add_argument("--scenes", type=int, default=60)
    parser.add_argument("--prompts", type=int, default=32, help="for each scene")
    arguments = parser.parse_args()
    calibrate(arguments.sam, arguments.scenes, arguments.prompts)


if __name__ == "__main__":
    main()
