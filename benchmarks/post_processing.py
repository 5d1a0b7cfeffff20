"""From the decoder's output to RLE: masks traced against segment-anything's, drawn and thresholded.

    python -m benchmarks.post_processing [--sizes 480x640 1500x2250]

The mini SAM decodes a scene's grid once; then both sides do everything else of mask generation with
what it said, each in a process of its own: filters, growing, thresholds, stability, boxes,
suppression of near-copies, small regions, RLE. Memory is what the process has at most above what it
had before.
"""

from __future__ import annotations

import argparse
import multiprocessing
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from pycocotools import mask as coco_mask

from benchmarks.memory import growth_mb
from benchmarks.replayed_sam import Recording, replaying_sam
from benchmarks.tables import machine, records, table, write
from ssa_backend.masks.generation import MaskGenerator
from ssa_backend.settings import MaskSettings, RepositorySettings
from ssa_export.presets import CHECKPOINTS
from ssa_export.scenes import render_scene, scene_seed
from tests.reference.segment_anything_sam import generate

SEED = 60
COLUMNS = {
    "image": "{}",
    "masks to weigh": "{}",
    "segment-anything, s": "{:.1f}",
    "traced, s": "{:.2f}",
    "ratio of times": "**{:.0f}**",
    "segment-anything, peak MB": "{:.0f}",
    "traced, peak MB": "{:.0f}",
    "ratio of memory": "**{:.0f}**",
    "found": "{}",
    "same": "{}",
}


@dataclass(frozen=True)
class Outcome:
    """One side's masks, and what they cost."""

    counts: list[bytes]
    seconds: float
    peak_mb: float


def main() -> None:
    """Command line of this module."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", nargs="+", default=["480x640", "1500x2250"])
    parser.add_argument("--model-repository", type=Path, default=Path("model_repository"))
    arguments = parser.parse_args()
    settings = RepositorySettings.load(arguments.model_repository)
    rows = []
    for size in arguments.sizes:
        height, width = map(int, size.split("x"))
        rgb = render_scene(scene_seed(SEED, 0), (height, width)).image
        recording = Recording.of(CHECKPOINTS / "mini-sam", rgb, settings.masks)
        sides = [in_its_own_process(side, rgb, recording, settings) for side in (drawn, traced)]
        passing = int((recording.ious > settings.masks.pred_iou_thresh).sum())
        rows.append(
            [size, f"{passing} of {recording.ious.size}", *compare((height, width), *sides)]
        )
    write(
        "post_processing",
        "# From the decoder's output to RLE",
        "Written by `python -m benchmarks.post_processing`: the mini SAM's recorded answers to a "
        "32-point grid on a scene, and everything of mask generation that comes after, by "
        "segment-anything's generator in PyTorch and by `MaskGenerator`, each on two threads in a "
        "process of its own. Peak memory is above what the process had before.",
        machine(),
        table(COLUMNS, rows),
        headlines=[
            f"from the decoder's output to RLE, {row[0]}: **{row[4]:.0f} times** faster than "
            f"segment-anything, in {row[6]:.0f} MB instead of {row[5]:.0f}"
            for row in rows
        ],
        figures=records(COLUMNS, rows),
    )


def in_its_own_process(
    side: Callable[[npt.NDArray[np.uint8], Recording, RepositorySettings], list[bytes]],
    rgb: npt.NDArray[np.uint8],
    recording: Recording,
    settings: RepositorySettings,
) -> Outcome:
    """Run a side where no other leaves memory behind."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as process:
        return process.submit(measured, side, rgb, recording, settings).result()


def measured(
    side: Callable[[npt.NDArray[np.uint8], Recording, RepositorySettings], list[bytes]],
    rgb: npt.NDArray[np.uint8],
    recording: Recording,
    settings: RepositorySettings,
) -> Outcome:
    """Time a side, after it has warmed up on an image of its own."""
    torch.set_num_threads(2)
    small = np.zeros((64, 64, 3), np.uint8)
    one = MaskSettings(points_per_side=1)
    side(small, recording, RepositorySettings("", settings.sam, masks=one))

    def timed() -> tuple[list[bytes], float]:
        started = time.perf_counter()
        counts = side(rgb, recording, settings)
        return counts, time.perf_counter() - started

    (counts, seconds), megabytes = growth_mb(timed)
    return Outcome(counts, seconds, megabytes)


def drawn(
    rgb: npt.NDArray[np.uint8], recording: Recording, settings: RepositorySettings
) -> list[bytes]:
    """By segment-anything."""
    masks = generate(replaying_sam(recording, settings.sam), rgb, settings.masks)
    return [mask["segmentation"]["counts"].encode() for mask in masks]


def traced(
    rgb: npt.NDArray[np.uint8], recording: Recording, settings: RepositorySettings
) -> list[bytes]:
    """By this project."""
    nothing = np.zeros((1, 1, 1, 1), np.float32)
    generator = MaskGenerator(settings.sam, lambda _: nothing, recording.decode)
    return generator.generate(rgb, nothing, settings.masks).segmentation


def compare(size_hw: tuple[int, int], reference: Outcome, ours: Outcome) -> list[Any]:
    """The cells of a row after the first two."""
    rles = [
        [{"size": list(size_hw), "counts": counts} for counts in side.counts]
        for side in (reference, ours)
    ]
    same = 0
    if all(rles):
        overlap = coco_mask.iou(*rles, [0] * len(rles[1]))
        same = int((overlap.max(axis=1) >= 0.99).sum())
    return [
        *(reference.seconds, ours.seconds, reference.seconds / ours.seconds),
        *(reference.peak_mb, ours.peak_mb, reference.peak_mb / max(ours.peak_mb, 1)),
        f"{len(reference.counts)} and {len(ours.counts)}",
        same,
    ]


if __name__ == "__main__":
    main()
