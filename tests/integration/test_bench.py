"""`ssa bench` against the real server: do its counters and the client's clock agree?"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from typer.testing import CliRunner

from ssa_backend import specs
from ssa_backend.embedded.server import EmbeddedServer
from ssa_client.cli import app
from ssa_export.scenes import render_scene, scene_seed

REQUESTS = 3
PARTS = ("queue_ms", "compute_input_ms", "compute_infer_ms", "compute_output_ms")


@pytest.mark.parametrize("ensemble", [specs.SSA, specs.SSA_ENGINE], ids=lambda its: str(its.name))
def test_the_figures_hold_together(
    server: EmbeddedServer, tmp_path: Path, ensemble: specs.Ensemble
) -> None:
    street, report = tmp_path / "street.jpg", tmp_path / "bench.json"
    Image.fromarray(render_scene(scene_seed(30, 0), (120, 160)).image).save(street)
    arguments = [
        *("bench", street, "--model", ensemble.name, "--url", server.grpc_url),
        *("--concurrency", "1,2", "--requests", REQUESTS, "--set", "points_per_side=2"),
        *("--report", report, "--plot", tmp_path / "bench.svg"),
    ]
    done = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert done.exit_code == 0, done.output
    found = json.loads(report.read_text("utf-8"))
    assert (found["server"]["preset"], found["stopped_by"]) == ("mini", None)
    assert found["server"]["name"] == "triton"
    drawn = (tmp_path / "bench.svg").read_text("utf-8")
    assert drawn.startswith("<?xml")
    assert [level["concurrency"] for level in found["levels"]] == [1, 2]
    for level in found["levels"]:
        _check(level, ensemble)


def _check(level: dict[str, Any], ensemble: specs.Ensemble) -> None:
    assert (level["requests"], level["succeeded"]) == (REQUESTS, REQUESTS)
    assert len(level["latencies_ms"]) == level["pipeline"]["requests"] == REQUESTS
    mean_ms, total_ms = level["latency_ms"]["mean"], level["pipeline"]["total_ms"]
    # Which of the two clocks stops first is chance, so neither bounds the other.
    assert level["transport_ms"] == pytest.approx(max(0, mean_ms - total_ms))
    busy = sum(level["latencies_ms"]) / (1000 * level["duration_s"])
    assert 0 < busy <= level["concurrency"]

    models = {its["model"]: its for its in level["pipeline"]["models"]}
    assert set(models) == {model.name for model in ensemble.models}
    steps = {step.model.name for step in ensemble.steps}
    for name, its in models.items():
        assert (its["called_by"] is None) == (name in steps)
        # What Triton does between the parts is counted in none of them.
        assert sum(its[part] for part in PARTS) <= its["total_ms"]
        if name in steps:
            assert its["calls"] == 1
            assert 0 < its["executions"] <= 1
    times_ms = [models[name]["total_ms"] for name in models if name in steps]
    assert times_ms == sorted(times_ms, reverse=True)
    # Every step of a request is done before the request is.
    assert max(models[name]["compute_infer_ms"] for name in steps) < total_ms
    assert models["sam_mask_decoder"]["calls"] == 1  # four points are one batch
