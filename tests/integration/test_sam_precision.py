"""SAM in lower precision, served."""

from __future__ import annotations

from pathlib import Path

import pytest
from pycocotools import mask as coco_mask

from ssa_backend.embedded.server import EmbeddedServer
from ssa_backend.settings import Precision
from ssa_client import SsaClient
from ssa_export.presets import PRESETS, Preset
from ssa_export.repository import ExportOptions, export_repository
from ssa_export.scenes import render_scene, scene_seed

MINI = PRESETS["mini"]
CLOSED_SET = Preset(MINI.name, MINI.sam, MINI.segmenter, MINI.masks)


@pytest.mark.parametrize("precision", ["bf16", "int8"])
def test_it_finds_the_same_objects(precision: Precision, client: SsaClient, tmp_path: Path) -> None:
    repository = tmp_path / "repository"
    export_repository(CLOSED_SET, repository, options=ExportOptions(sam_precision=precision))
    rgb = render_scene(scene_seed(90, 1)).image
    with (
        EmbeddedServer(repository, http_port=0, grpc_port=0, metrics_port=0) as server,
        SsaClient(server.grpc_url) as faster,
    ):
        found = faster.segment(rgb, points_per_side=16)
    exact = client.segment(rgb, points_per_side=16)
    overlap = coco_mask.iou(
        [mask.segmentation for mask in exact.masks],
        [mask.segmentation for mask in found.masks],
        [0] * len(found.masks),
    )
    assert (overlap.max(axis=1) > 0.8).mean() >= 0.8
    assert abs(len(found.masks) - len(exact.masks)) <= 0.2 * len(exact.masks)
