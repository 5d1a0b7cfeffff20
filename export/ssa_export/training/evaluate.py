"""What the mini models are worth: `python -m ssa_export.training.evaluate`.

On scenes that were not trained on: the mask decoder under point prompts, mask generation as it is
served, and the mIoU of the segmenter alone against that of Semantic Segment Anything.
"""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import torch

from ssa_backend import rle
from ssa_backend.images import segmenter_pixel_values
from ssa_backend.masks.generation import GeneratedMasks
from ssa_backend.settings import MaskSettings
from ssa_backend.voting import Labels, label_masks
from ssa_export.checkpoints.sam import load_sam
from ssa_export.checkpoints.segmenter import LoadedSegmenter, load_segmenter
from ssa_export.scenes import UNLABELLED, Scene, render_scene, scene_seed
from ssa_export.training.sam_network import MIN_OBJECT_AREA, Answer, SamNetwork

FloatArray = npt.NDArray[np.float32]

EVALUATION_SEED: Final = 11
"""Scenes are `scene_seed(EVALUATION_SEED, k)`, as `ssa scenes --seed 11` draws them."""

SIZE_LIMITS: Final = {"small": 0.003, "medium": 0.03, "large": 1.0}
"""An object's share of the image up to which it counts as so large."""

FOUND_IOU: Final = 0.7


@torch.inference_mode()
def label(segmenter: LoadedSegmenter, rgb: npt.NDArray[np.uint8], masks: GeneratedMasks) -> Labels:
    """Names for the masks of an image, uint8 [H, W, 3]."""
    settings = segmenter.settings
    pixels = torch.from_numpy(segmenter_pixel_values(rgb, settings))
    logits = segmenter.model(pixels).logits[0].numpy()
    size_hw = (rgb.shape[0], rgb.shape[1])
    runs = [rle.decode(counts, size_hw) for counts in masks.segmentation]
    return label_masks(logits, runs, size_hw, settings.align_corners)


@dataclass
class PromptFigures:
    """One row per prompt: IoU of the three masks, and what the model thinks of them."""

    iou: list[FloatArray] = field(default_factory=list)
    predicted: list[FloatArray] = field(default_factory=list)

    def add(self, answer: Answer) -> None:
        """Count one prompt's masks."""
        self.iou.append(answer.ious())
        self.predicted.append(answer.predicted)

    def report(self) -> Iterator[str]:
        """Means, and the IoU behind what the model predicts."""
        iou, predicted = np.array(self.iou), np.array(self.predicted)
        picked = np.take_along_axis(iou, predicted.argmax(1)[:, None], 1)
        yield f"point prompts: best of three {iou.max(1).mean():.3f}, own pick {picked.mean():.3f}"
        edges = (-9.0, 0.5, 0.7, 0.8, 0.86, 0.9, 0.95, 9.0)
        for low, high in itertools.pairwise(edges):
            inside = (predicted >= low) & (predicted < high)
            if inside.any():
                yield (
                    f"  predicted {low:5.2f} to {high:4.2f}: {inside.sum():5d} masks, "
                    f"mean predicted {predicted[inside].mean():.3f}, true {iou[inside].mean():.3f}"
                )


@dataclass
class ObjectFigures:
    """Which objects mask generation finds, by size; things and stuff regions alike."""

    found: dict[str, list[bool]] = field(default_factory=lambda: {s: [] for s in SIZE_LIMITS})
    masks: list[int] = field(default_factory=list)
    covered: list[float] = field(default_factory=list)

    def add(self, scene: Scene, masks: GeneratedMasks) -> None:
        """Match every object with the mask that fits it best."""
        height, width = scene.instance_map.shape
        by_column = scene.instance_map.T.ravel()
        best = np.zeros(len(scene.instances))
        areas = np.array([instance.area for instance in scene.instances])
        covered = np.zeros(by_column.size, np.bool_)
        for counts in masks.segmentation:
            runs = rle.decode(counts, (height, width))
            edges = np.zeros(by_column.size + 1, np.int8)
            edges[runs.starts] += 1
            edges[runs.starts + runs.lengths] -= 1
            pixels = np.flatnonzero(edges[:-1].cumsum())
            overlap = np.bincount(by_column[pixels], minlength=len(areas))
            best = np.maximum(best, overlap / (areas + pixels.size - overlap))
            covered[pixels] = True
        for area, iou in zip(areas, best, strict=True):
            if area >= MIN_OBJECT_AREA:
                share = area / by_column.size
                size = next(name for name, limit in SIZE_LIMITS.items() if share <= limit)
                self.found[size].append(bool(iou >= FOUND_IOU))
        self.masks.append(len(masks.segmentation))
        self.covered.append(float(covered.mean()))

    def report(self) -> Iterator[str]:
        """Masks, coverage and recall."""
        count, covered = np.mean(self.masks), np.mean(self.covered)
        yield f"mask generation: {count:.1f} masks a scene, {covered:.1%} of it covered"
        for size, found in self.found.items():
            yield f"  {size} objects found: {np.mean(found):.1%} of {len(found)}"


@dataclass
class ClassFigures:
    """Intersections and unions summed over scenes, as mmsegmentation's mIoU."""

    confusion: dict[str, npt.NDArray[np.int64]] = field(default_factory=dict)

    def add(self, name: str, scene: Scene, classes: npt.NDArray[np.uint16], count: int) -> None:
        """Compare a map of `count` classes with the scene's labels."""
        labelled = scene.class_map != UNLABELLED
        pairs = scene.class_map[labelled].astype(np.int64) * count + classes[labelled]
        counts = np.bincount(pairs, minlength=count * count).reshape(count, count)
        self.confusion[name] = self.confusion.get(name, 0) + counts

    def report(self, labels: tuple[str, ...]) -> Iterator[str]:
        """mIoU of each map, then each class."""
        ious = {}
        for name, confusion in self.confusion.items():
            union = confusion.sum(0) + confusion.sum(1) - confusion.diagonal()
            ious[name] = 100 * confusion.diagonal() / np.maximum(union, 1)
            present = confusion.sum(1) > 0
            yield f"{name}: mIoU {ious[name][present].mean():.2f}"
        for index, label in enumerate(labels):
            yield f"  {label:14s}" + "".join(f"{iou[index]:8.1f}" for iou in ious.values())


def main() -> None:
    """Read the command line and print the figures."""
    parser = argparse.ArgumentParser(
        prog="python -m ssa_export.training.evaluate", description=__doc__
    )
    checkpoints = Path("export/checkpoints")
    parser.add_argument("--sam", default=str(checkpoints / "mini-sam"))
    parser.add_argument("--segmenter", default=str(checkpoints / "mini-segformer"))
    parser.add_argument("--scenes", type=int, default=50)
    parser.add_argument("--prompts", type=int, default=32, help="for each scene")
    parser.add_argument("--pred-iou-thresh", type=float, default=MaskSettings.pred_iou_thresh)
    arguments = parser.parse_args()

    network = SamNetwork(load_sam(arguments.sam))
    segmenter = load_segmenter(arguments.segmenter)
    names = segmenter.settings.labels
    prompts, objects, classes = PromptFigures(), ObjectFigures(), ClassFigures()
    settings = MaskSettings(pred_iou_thresh=arguments.pred_iou_thresh)
    rng = np.random.default_rng(EVALUATION_SEED)
    for index in range(arguments.scenes):
        scene = render_scene(scene_seed(EVALUATION_SEED, index))
        for answer in network.ask(scene, rng, arguments.prompts):
            prompts.add(answer)
        masks = network.generate(scene.image, settings)
        objects.add(scene, masks)
        labels = label(segmenter, scene.image, masks)
        classes.add("segmenter alone", scene, labels.branch_map, len(names))
        classes.add("SSA", scene, labels.semantic_map, len(names))
    for line in (*prompts.report(), *objects.report(), *classes.report(names)):
        print(line)


if __name__ == "__main__":
    main()
