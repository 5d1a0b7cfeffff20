"""mIoU of SSA and of the semantic branch alone, on held-out scenes, through the served ensemble.

mIoU as mmsegmentation defines it: intersections and unions summed over all scenes, class by class,
then the mean over the classes. The scenes are drawn here; none was used in training.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import numpy.typing as npt
from rich.console import Console
from rich.progress import track
from rich.table import Table

from ssa_backend.embedded import EmbeddedServer
from ssa_backend.labels import CITYSCAPES
from ssa_client import SsaClient
from ssa_export.scenes import UNLABELLED, render_scene, scene_seed

CLASSES = len(CITYSCAPES)


def main() -> None:
    """Command line of this module."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model-repository", type=Path, default=Path("model_repository"))
    parser.add_argument("--seed", type=int, default=50)
    parser.add_argument("--scenes", type=int, default=60)
    arguments = parser.parse_args()

    branch = np.zeros((CLASSES, CLASSES), np.int64)
    ssa = np.zeros_like(branch)
    masks = 0
    embedded = EmbeddedServer(arguments.model_repository, http_port=0, grpc_port=0, metrics_port=0)
    with embedded as server, SsaClient(server.grpc_url) as client:
        for k in track(range(arguments.scenes), "Scenes"):
            scene = render_scene(scene_seed(arguments.seed, k))
            result = client.segment(scene.image, branch=True)
            assert result.branch_map is not None
            branch += confusion(scene.class_map, result.branch_map)
            ssa += confusion(scene.class_map, result.semantic_map)
            masks += len(result.masks)
    report(branch, ssa, f"{arguments.scenes} scenes of seed {arguments.seed}, {masks} masks")


def confusion(
    truth: npt.NDArray[np.uint8], predicted: npt.NDArray[np.uint16]
) -> npt.NDArray[np.int64]:
    """How many pixels of class i were called j, [K, K]; unlabelled pixels do not count."""
    labelled = truth != UNLABELLED
    pairs = truth[labelled].astype(np.int64) * CLASSES + predicted[labelled]
    return np.bincount(pairs, minlength=CLASSES**2).reshape(CLASSES, CLASSES)


def iou(matrix: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """IoU of each class in percent, [K]."""
    intersection = np.diag(matrix)
    ratio: npt.NDArray[np.float64] = (
        100 * intersection / (matrix.sum(axis=0) + matrix.sum(axis=1) - intersection)
    )
    return ratio


def report(branch: npt.NDArray[np.int64], ssa: npt.NDArray[np.int64], title: str) -> None:
    """Print the table."""
    table = Table("class", "branch", "SSA", "SSA - branch", title=title)
    before, after = iou(branch), iou(ssa)
    rows = [*zip(CITYSCAPES, before, after, strict=True), ("mIoU", before.mean(), after.mean())]
    for name, old, new in rows:
        table.add_row(name, f"{old:.2f}", f"{new:.2f}", f"{new - old:+.2f}")
    Console().print(table)


if __name__ == "__main__":
    main()
