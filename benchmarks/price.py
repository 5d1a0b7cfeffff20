"""What speed costs where answers may change: precision and prompts, against the exact service.

    python -m benchmarks.price [--scenes 30] [--vit-b]

Each way answers the same held-out scenes in turn with the exact one. A mask of one is matched with
the most similar of the other; mIoU is against the scenes' own classes. With `--vit-b` the time
alone is measured at SAM ViT-B's size too, with random weights.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from pycocotools import mask as coco_mask

from benchmarks import real_size_sam
from benchmarks.closed_set_miou import CLASSES
from benchmarks.closed_set_speed import median_iou
from benchmarks.tables import machine, table, write
from ssa_backend.embedded import EmbeddedServer
from ssa_client import Mask, SegmentationResult, SsaClient
from ssa_client.evaluation.confusion import Scores, confusion_matrix
from ssa_export.presets import PRESETS
from ssa_export.repository import ExportOptions, export_repository
from ssa_export.scenes import Scene, render_scene, scene_seed

SEED = 85
TIMEOUT_S = 3600.0
PRECISIONS = {
    "exact": ExportOptions(),
    "int8": ExportOptions(sam_precision="int8"),
    "bf16": ExportOptions(sam_precision="bf16"),
}
SAME_OBJECT_IOU = 0.5
COLUMNS = (
    "way",
    "s a request",
    "times faster",
    "masks",
    "mean IoU of the matched",
    "matched at 0.5",
    "same name of these",
    "mIoU of SSA",
)


@dataclass
class Way:
    """A server and settings, and what they gave.

    Attributes:
        name: what a reader calls it.
        client: of the server.
        changes: request parameters.
        seconds: of each request.
        results: for each scene.
    """

    name: str
    client: SsaClient
    changes: Mapping[str, Any]
    seconds: list[float] = field(default_factory=list)
    results: list[SegmentationResult] = field(default_factory=list)

    def ask(self, rgb: npt.NDArray[np.uint8]) -> None:
        """One request more."""
        started = time.perf_counter()
        self.results.append(self.client.segment(rgb, **self.changes))
        self.seconds.append(time.perf_counter() - started)


def main() -> None:
    """Command line of this module."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model-repository", type=Path, default=Path("model_repository"))
    parser.add_argument("--scenes", type=int, default=30)
    parser.add_argument("--vit-b", action="store_true")
    arguments = parser.parse_args()
    scenes = [render_scene(scene_seed(SEED, k)) for k in range(arguments.scenes)]
    with tempfile.TemporaryDirectory() as folder:
        eight_bits, bf16 = Path(folder) / "int8", Path(folder) / "bf16"
        export_repository(PRESETS["mini"], eight_bits, options=ExportOptions(sam_precision="int8"))
        export_repository(PRESETS["mini"], bf16, options=ExportOptions(sam_precision="bf16"))
        ways = measure(
            scenes,
            ("exact", arguments.model_repository, {}),
            ("int8", eight_bits, {}),
            ("bf16", bf16, {}),
            ("adaptive prompts", arguments.model_repository, {"adaptive_prompts": 1}),
            ("bf16 and adaptive prompts", bf16, {"adaptive_prompts": 1}),
            ("24 points a side", arguments.model_repository, {"points_per_side": 24}),
            ("16 points a side", arguments.model_repository, {"points_per_side": 16}),
        )
        rows = [cells(way, ways[0], scenes) for way in ways]
        paragraphs = ["Mini models:", table(COLUMNS, rows)]
        if arguments.vit_b:
            paragraphs += ["SAM ViT-B, Segformer B0, random weights:", vit_b(Path(folder), scenes)]
    write(
        "price",
        "# What speed costs",
        f"Written by `python -m benchmarks.price`: {len(scenes)} held-out scenes of 640x480, a "
        "32-point grid where nothing else is said, each way in turn on its own server or settings. "
        "`--int8` and `--bf16` are options of `ssa export`; a grid and `adaptive_prompts=1` are "
        "settings of the request. None is ever on by itself.",
        machine(),
        *paragraphs,
    )


def measure(scenes: list[Scene], *ways: tuple[str, Path, Mapping[str, Any]]) -> list[Way]:
    """Ask every way about every scene."""
    with ExitStack() as stack:
        clients = dict(stack.enter_context(serving(path)) for path in {p for _, p, _ in ways})
        found = [Way(name, clients[path], changes) for name, path, changes in ways]
        for way in found:  # to warm up
            way.client.segment(scenes[0].image, **way.changes)
        for scene in scenes:
            for way in found:
                way.ask(scene.image)
    return found


@contextmanager
def serving(path: Path) -> Iterator[tuple[Path, SsaClient]]:
    """A server for the block, and a client of it, by the repository's path."""
    embedded = EmbeddedServer(path, http_port=0, grpc_port=0, metrics_port=0)
    with embedded as server, SsaClient(server.grpc_url, timeout_s=TIMEOUT_S) as client:
        yield path, client


def cells(way: Way, exact: Way, scenes: list[Scene]) -> list[str]:
    """A row of the table."""
    ious, named, matched = [], 0, 0
    confusion = np.zeros((CLASSES, CLASSES), np.int64)
    for scene, result, reference in zip(scenes, way.results, exact.results, strict=True):
        confusion += confusion_matrix(scene.class_map, result.semantic_map, CLASSES)
        for mask, other, iou in matches(reference.masks, result.masks):
            ious.append(iou)
            if iou >= SAME_OBJECT_IOU:
                matched += 1
                named += mask.class_name == other.class_name
    count = sum(len(result.masks) for result in way.results)
    wanted = sum(len(result.masks) for result in exact.results)
    return [
        way.name,
        *timing(way, exact),
        f"{count} ({100 * (count - wanted) / wanted:+.1f}%)",
        f"{np.mean(ious):.3f}",
        f"{100 * matched / wanted:.1f}%",
        f"{100 * named / max(matched, 1):.1f}%",
        f"{100 * Scores.of(confusion).miou:.2f}",
    ]


def timing(way: Way, exact: Way) -> list[str]:
    """The median, and how many times faster than the exact way."""
    middle = statistics.median(way.seconds)
    return [f"{middle:.2f}", f"{statistics.median(exact.seconds) / middle:.2f}"]


def matches(
    wanted: tuple[Mask, ...], found: tuple[Mask, ...]
) -> Iterator[tuple[Mask, Mask, float]]:
    """Each wanted mask with the most similar one, and their IoU."""
    if wanted and found:
        overlap = coco_mask.iou(
            [mask.segmentation for mask in wanted],
            [mask.segmentation for mask in found],
            [0] * len(found),
        )
        for mask, row in zip(wanted, overlap, strict=True):
            yield mask, found[int(row.argmax())], float(row.max())


def vit_b(folder: Path, scenes: list[Scene]) -> str:
    """The time of every precision."""
    preset = real_size_sam.build(folder)
    asked = []
    for name, options in PRECISIONS.items():
        repository = folder / f"vit-b-{name}"
        export_repository(preset, repository, print, options)
        asked.append((name, repository, {"pred_iou_thresh": median_iou(repository)}))
    ways = measure(scenes[:2], *asked)
    return table(COLUMNS[:3], [[way.name, *timing(way, ways[0])] for way in ways])


if __name__ == "__main__":
    main()
