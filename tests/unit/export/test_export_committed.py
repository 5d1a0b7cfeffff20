"""The committed networks are those that today's exporter makes of the committed checkpoints."""

from __future__ import annotations

from pathlib import Path

import onnx

from ssa_backend.settings import RepositorySettings
from ssa_export.presets import PRESETS
from ssa_export.repository import export_repository
from tests.conftest import ROOT

COMMITTED = ROOT / "model_repository"


def graph(path: Path) -> list[tuple[str, list[str], list[str]]]:
    """Operators and what they read and write; the last bits of weights are a processor's."""
    nodes = onnx.load(path).graph.node
    return [(node.op_type, list(node.input), list(node.output)) for node in nodes]


def test_a_new_export_gives_what_is_committed(tmp_path: Path) -> None:
    settings = export_repository(PRESETS["mini"], tmp_path / "repository")
    assert settings == RepositorySettings.load(COMMITTED)
    files = {path.relative_to(COMMITTED) for path in COMMITTED.glob("*/1/model.onnx")}
    assert len(files) > 10
    stale = [str(f) for f in files if graph(COMMITTED / f) != graph(tmp_path / "repository" / f)]
    assert not stale, "run: ssa export --preset mini --model-repository model_repository"
