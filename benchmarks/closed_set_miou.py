"""mIoU of SSA and of the semantic branch alone, on held-out scenes, through the served ensemble.

The figures are those of `ssa evaluate`. The scenes are drawn here; none was used in training.
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
from ssa_client.evaluation.confusion import Scores, confusion_matrix
from ssa_export.scenes import render_scene, scene_seed

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
            branch += confusion_matrix(scene.class_map, result.branch_map, CLASSES)
            ssa += confusion_matrix(scene.class_map, result.semantic_map, CLASSES)
            masks += len(result.masks)
    report(branch, ssa, f"{arguments.scenes} scenes of seed {arguments.seed}, {masks} masks")


def report(branch: npt.NDArray[np.int64], ssa: npt.NDArray[np.int64], title: str) -> None:
    """Print the table."""
    table = Table("class", "branch", "SSA", "SSA - branch", title=title)
    before, after = Scores.of(branch), Scores.of(ssa)
    rows = [
        *zip(CITYSCAPES, before.iou, after.iou, strict=True),
        ("mIoU", before.miou, after.miou),
    ]
    for name, old, new in rows:
        table.add_row(name, f"{100 * old:.2f}", f"{100 * new:.2f}", f"{100 * (new - old):+.2f}")
    Console().print(table)


if __name__ == "__main__":
    main()
