"""`ssa evaluate` through the real server, against an evaluation worked out here."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image
from typer.testing import CliRunner

from ssa_backend.embedded.server import EmbeddedServer
from ssa_backend.labels import CITYSCAPES
from ssa_backend.settings import RepositorySettings
from ssa_client import SsaClient
from ssa_client.cli import app
from ssa_export.scenes import write_scenes

SETTINGS = {"points_per_side": 12}
IGNORE = 255


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("scenes")
    assert len(list(write_scenes("cityscapes", root, 81, 4, (120, 160)))) == 4
    for label in root.glob("gtFine/val/*/*_labelTrainIds.png"):
        truth = np.array(Image.open(label))
        truth[:20, :50] = IGNORE
        Image.fromarray(truth).save(label)
    return root


@pytest.mark.parametrize("bgr", [False, True])
def test_the_report_is_what_asking_image_by_image_gives(
    server: EmbeddedServer,
    client: SsaClient,
    scenes: Path,
    tmp_path: Path,
    repository_settings: RepositorySettings,
    bgr: bool,
) -> None:
    # One at a time: batched arithmetic may differ in the last bit, and a pixel on an edge with it.
    arguments = ["evaluate", "--dataset", "cityscapes", "--concurrency", "1"]
    arguments += ["--images", str(scenes), "--url", server.grpc_url]
    arguments += ["--set", "points_per_side=12", "--report", str(tmp_path / "report.json")]
    done = CliRunner().invoke(app, [*arguments, *(["--bgr"] if bgr else [])])
    assert done.exit_code == 0, done.output
    report = json.loads((tmp_path / "report.json").read_text("utf-8"))

    truths, branch, ssa = [], [], []
    for label in sorted(scenes.glob("gtFine/val/*/*_gtFine_labelTrainIds.png")):
        name = label.name.replace("_gtFine_labelTrainIds", "_leftImg8bit")
        rgb = np.array(Image.open(scenes / "leftImg8bit/val" / label.parent.name / name))
        result = client.segment(rgb[..., ::-1].copy() if bgr else rgb, branch=True, **SETTINGS)
        assert result.branch_map is not None
        truths.append(np.array(Image.open(label)))
        branch.append(result.branch_map)
        ssa.append(result.semantic_map)
    for whose, maps in (("branch", branch), ("ssa", ssa)):
        ious, accuracy = _figures(np.stack(truths), np.stack(maps))
        assert report[whose]["miou"] == pytest.approx(np.nanmean(ious), abs=1e-9)
        assert report[whose]["pixel_accuracy"] == pytest.approx(accuracy, abs=1e-9)
        reported = [entry["iou"] for entry in report[whose]["classes"]]
        np.testing.assert_allclose(np.array(reported, np.float64), ious, atol=1e-9)
    assert report["ssa"] != report["branch"]
    assert report["images"] == 4
    assert report["server"]["preset"] == repository_settings.preset
    assert report["server"]["checkpoints"]["sam"]["sha256"] == repository_settings.sam.sha256


def _figures(
    truth: npt.NDArray[np.uint8], predicted: npt.NDArray[np.uint16]
) -> tuple[npt.NDArray[np.float64], float]:
    """IoU of each class, nan where it does not occur, and pixel accuracy; [N, H, W] each."""
    counted = truth != IGNORE
    ious = np.full(len(CITYSCAPES), np.nan)
    for class_id in range(len(CITYSCAPES)):
        true, said = (truth == class_id) & counted, (predicted == class_id) & counted
        if (true | said).any():
            ious[class_id] = (true & said).sum() / (true | said).sum()
    return ious, float((truth == predicted)[counted].mean())
