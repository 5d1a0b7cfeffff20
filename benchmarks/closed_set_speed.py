"""A whole closed-set request through the server against the original's steps, in turn.

    python -m benchmarks.closed_set_speed [--sizes mini vit-b] [--repeats 10] [--real-repeats 2]

The same scenes (480x640) and the same 32-point grid for both sides, on the same cores: `ssa` on a
real server over gRPC, and segment-anything's generator, transformers' Segformer and the vote mask
by mask in PyTorch. Every repeat is another scene; the first, to warm up, does not count.

`vit-b` is SAM ViT-B and Segformer B0 with random weights, made and exported on the spot. With those
weights no mask is stable: segment-anything is spared its slowest step, writing the RLE of masks
that it then drops as near-copies.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pycocotools import mask as coco_mask

from benchmarks import real_size_sam
from benchmarks.tables import machine, table, write
from ssa_backend import specs
from ssa_backend.embedded import EmbeddedServer
from ssa_backend.embedded.onnx_runner import OnnxRunner, model_file
from ssa_backend.images import sam_pixel_values
from ssa_backend.settings import RepositorySettings
from ssa_client import SegmentationResult, SsaClient
from ssa_export.presets import CHECKPOINTS
from ssa_export.repository import export_repository
from ssa_export.scenes import render_scene, scene_seed
from tests.reference.closed_set import ClosedSetReference
from tests.reference.segment_anything_sam import generate, load_sam

SEED = 70
SIZE_HW = (480, 640)
SAME_MASK_IOU = 0.99
TIMEOUT_S = 3600.0
COLUMNS = (
    "models",
    "repeats",
    "server, s",
    "original, s",
    "ratio of medians",
    "ratio, least to most",
    "masks, server and original",
    "masks of the same name",
)

# By `--sizes`.
MODELS = {"mini": "mini", "vit-b": "ViT-B, Segformer B0"}


@dataclass(frozen=True)
class Setup:
    """What both sides run."""

    repository: Path
    sam: Path
    segmenter: Path
    changes: dict[str, Any]


@dataclass
class Comparison:
    """Seconds of each repeat, and how many masks came."""

    server_s: list[float] = field(default_factory=list)
    original_s: list[float] = field(default_factory=list)
    served: int = 0
    wanted: int = 0
    same: int = 0

    @property
    def ratio(self) -> float:
        """Of the medians."""
        return statistics.median(self.original_s) / statistics.median(self.server_s)

    def cells(self, models: str) -> list[str]:
        """A row of the results."""
        ratios = [a / b for a, b in zip(self.original_s, self.server_s, strict=True)]
        return [
            models,
            str(len(ratios)),
            spread(self.server_s),
            spread(self.original_s),
            f"**{self.ratio:.1f}**",
            f"{min(ratios):.1f} to {max(ratios):.1f}",
            f"{self.served} and {self.wanted}",
            str(self.same),
        ]


def main() -> None:
    """Command line of this module."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model-repository", type=Path, default=Path("model_repository"))
    parser.add_argument("--sizes", nargs="+", choices=list(MODELS), default=list(MODELS))
    parser.add_argument("--repeats", type=int, default=10, help="of the mini models")
    parser.add_argument("--real-repeats", type=int, default=2)
    arguments = parser.parse_args()

    if "mini" in arguments.sizes:
        setup = mini_size(arguments.model_repository)
        write_results("closed_set_speed", MODELS["mini"], compare(setup, arguments.repeats))
    if "vit-b" in arguments.sizes:
        with real_size() as setup:
            comparison = compare(setup, arguments.real_repeats)
        write_results("closed_set_speed_vit_b", MODELS["vit-b"], comparison)


def write_results(name: str, models: str, comparison: Comparison) -> None:
    """A file for each size, so that neither waits for the other."""
    write(
        name,
        f"# A whole closed-set request, {models}",
        "Written by `python -m benchmarks.closed_set_speed`: scenes of 480x640, a 32-point grid, "
        "`ssa` on the embedded server over gRPC against the original's steps in PyTorch "
        f"{torch.__version__} on {torch.get_num_threads()} threads, in turn. Median (least to "
        "most) of the repeats, each on another scene, a warm-up left out.",
        machine(),
        table(COLUMNS, [comparison.cells(models)]),
        headlines=[
            f"a whole closed-set request through the server, {models}: "
            f"**{comparison.ratio:.1f} times** faster than the original's steps"
        ],
        figures=asdict(comparison),
    )


def compare(setup: Setup, repeats: int) -> Comparison:
    """Time both sides in turn on scene after scene."""
    settings = replace(RepositorySettings.load(setup.repository).masks, **setup.changes)
    sam, closed_set = load_sam(setup.sam), ClosedSetReference(setup.segmenter)
    comparison = Comparison()
    embedded = EmbeddedServer(setup.repository, http_port=0, grpc_port=0, metrics_port=0)
    with embedded as server, SsaClient(server.grpc_url, timeout_s=TIMEOUT_S) as client:
        for k in range(repeats + 1):
            rgb = render_scene(scene_seed(SEED, k), SIZE_HW).image
            started = time.perf_counter()
            served = client.segment(rgb, **setup.changes)
            answered = time.perf_counter()
            masks = generate(sam, rgb, settings)
            names = closed_set.class_names(
                closed_set.branch_map(rgb), [mask["segmentation"] for mask in masks]
            )
            done = time.perf_counter()
            print(f"scene {k}: {answered - started:.2f} s, {done - answered:.2f} s", flush=True)
            if k > 0:
                comparison.server_s.append(answered - started)
                comparison.original_s.append(done - answered)
                comparison.served += len(served.masks)
                comparison.wanted += len(masks)
                comparison.same += same(served, masks, names)
    return comparison


def same(served: SegmentationResult, masks: list[dict[str, Any]], names: list[str]) -> int:
    """How many masks of the original the server has too, at IoU 0.99, by the same name."""
    if not masks or not served.masks:
        return 0
    found = [mask.segmentation for mask in served.masks]
    overlap = coco_mask.iou([mask["segmentation"] for mask in masks], found, [0] * len(found))
    return sum(
        row.max() >= SAME_MASK_IOU and served.masks[row.argmax()].class_name == name
        for row, name in zip(overlap, names, strict=True)
    )


def mini_size(repository: Path) -> Setup:
    """The committed repository and what it was exported from."""
    folders = (CHECKPOINTS / "mini-sam", CHECKPOINTS / "mini-segformer")
    return Setup(repository, *folders, changes={})


@contextmanager
def real_size() -> Iterator[Setup]:
    """A repository of ViT-B's size, and a threshold that half of its masks pass."""
    with tempfile.TemporaryDirectory() as folder:
        preset = real_size_sam.build(Path(folder))
        repository = Path(folder) / "repository"
        export_repository(preset, repository, report=print)
        median = median_iou(repository)
        print(f"half of the masks have a predicted IoU above {median:.6f}")
        assert preset.segmenter
        folders = (Path(preset.sam), Path(preset.segmenter))
        yield Setup(repository, *folders, changes={"pred_iou_thresh": median})


def median_iou(repository: Path) -> float:
    """Of what the decoder predicts on a scene."""
    settings = RepositorySettings.load(repository)
    rgb = render_scene(scene_seed(SEED, 0), SIZE_HW).image
    encoder, decoder = (
        OnnxRunner(model_file(repository / model.name / "1"), batches=False)
        for model in (specs.SAM_IMAGE_ENCODER, specs.SAM_MASK_DECODER)
    )
    pixels = {specs.PIXEL_VALUES.name: sam_pixel_values(rgb, settings.sam)}
    (embedding,) = encoder.run([pixels], [specs.IMAGE_EMBEDDINGS.name])
    coords = np.random.default_rng(0).uniform(0, settings.sam.image_size, (64, 1, 2))
    request = {
        specs.IMAGE_EMBEDDINGS.name: embedding[specs.IMAGE_EMBEDDINGS.name],
        specs.POINT_COORDS.name: coords.astype(np.float32),
        specs.POINT_LABELS.name: np.ones((64, 1), np.int64),
        specs.MIN_IOU.name: np.array([np.inf], np.float32),
    }
    (answer,) = decoder.run([request], [specs.IOU_PREDICTIONS.name])
    return float(np.median(answer[specs.IOU_PREDICTIONS.name]))


def spread(seconds: list[float]) -> str:
    """Median, least and most."""
    low, middle, high = min(seconds), statistics.median(seconds), max(seconds)
    return f"{middle:.2f} ({low:.2f} to {high:.2f})"


if __name__ == "__main__":
    main()
