"""A segmenter that the project has never seen, from its folder to named masks by one command."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np

from ssa_backend.embedded.server import EmbeddedServer
from ssa_client import SsaClient
from tests.images import scene
from tests.unit.export import tiny


def test_one_command_serves_a_new_segmenter_under_its_own_names(tmp_path: Path) -> None:
    checkpoint = tiny.save_segmenter(tmp_path / "my-upernet", *tiny.upernet())
    repository = tmp_path / "repository"
    command = ["export", "--segmenter", str(checkpoint), "--model-repository", str(repository)]
    ssa = Path(sys.executable).with_name("ssa")
    # On one thread, as PyTorch in all tests.
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    subprocess.run([str(ssa), *command], env=environment, check=True, capture_output=True)

    embedded = EmbeddedServer(repository, http_port=0, grpc_port=0, metrics_port=0)
    with embedded as server, SsaClient(server.grpc_url) as client:
        result = client.segment(scene(), points_per_side=8, pred_iou_thresh=0.5)

    assert result.labels == tiny.LABELS
    assert result.masks
    for mask in result.masks:
        assert mask.class_name == tiny.LABELS[mask.class_id]
    assert np.isin(result.semantic_map, np.arange(len(tiny.LABELS))).all()
