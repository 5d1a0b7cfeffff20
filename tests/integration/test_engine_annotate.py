"""`ssa annotate` over a folder of scenes of which one is corrupt."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ssa_backend.embedded.server import EmbeddedServer
from ssa_client.cli import app
from ssa_export.scenes import write_scenes
from tests.images import SIZE_HW

SEED = 61
WIDE = {"COLUMNS": "300"}  # no path is broken over lines


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("count", [pytest.param(20), pytest.param(100, marks=pytest.mark.full)])
@pytest.mark.parametrize("given", [True, False], ids=["given masks", "own masks"])
def test_one_corrupt_image_of_many_is_reported_and_the_others_are_named(
    count: int, given: bool, server: EmbeddedServer, tmp_path: Path
) -> None:
    pictures = list(write_scenes("sa1b", tmp_path / "in", SEED, count, SIZE_HW))
    corrupt = pictures[count // 2]
    corrupt.write_bytes(corrupt.read_bytes()[:500])
    out = tmp_path / "out"
    masks = ["--masks", "sa1b"] if given else ["--set", "points_per_side=4"]
    arguments = ["annotate", str(tmp_path / "in"), "--out", str(out), *masks]
    run = CliRunner(env=WIDE).invoke(app, [*arguments, "--url", server.grpc_url])

    assert run.exit_code == 1
    assert corrupt.name in run.output
    # What begins with an underscore is the job's own.
    written = {path.name for path in out.iterdir() if not path.name.startswith("_")}
    good = [picture for picture in pictures if picture != corrupt]
    assert written == {f"{picture.stem}_semantic.json" for picture in good}
    for picture in good:
        labelled = json.loads((out / f"{picture.stem}_semantic.json").read_text("utf-8"))
        assert all(
            mask["class_name"] in mask["class_proposals"] for mask in labelled["annotations"]
        )
        if given:
            truth = json.loads(picture.with_suffix(".json").read_text("utf-8"))
            assert len(labelled["annotations"]) == len(truth["annotations"])
