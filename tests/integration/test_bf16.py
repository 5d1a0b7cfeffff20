"""SAM in bfloat16 on the CPU, exported and served."""

from __future__ import annotations

import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from pycocotools import mask as coco_mask

from ssa_backend.embedded.server import EmbeddedServer
from ssa_backend.settings import RepositorySettings
from ssa_client import SsaClient
from ssa_export import bf16
from ssa_export.errors import MissingToolError, ParityError
from ssa_export.model_config import write_configs
from ssa_export.presets import Preset
from ssa_export.repository import ExportOptions, export_repository
from ssa_export.scenes import render_scene, scene_seed
from tests.unit.export import tiny


@pytest.fixture(scope="module")
def preset(tmp_path_factory: pytest.TempPathFactory) -> Preset:
    folder = tmp_path_factory.mktemp("checkpoints")
    sam, segmenter = tiny.save_sam(folder / "sam"), tiny.save_segformer(folder / "segformer")
    return Preset("tiny", sam=str(sam), segmenter=str(segmenter))


def test_the_export_compares_masks_and_says_so(preset: Preset, tmp_path: Path) -> None:
    steps: list[str] = []
    repository = tmp_path / "repository"
    settings = export_repository(preset, repository, steps.append, ExportOptions(bf16=True))
    assert (settings.preset, settings.bf16) == ("tiny, bf16", True)
    assert RepositorySettings.load(repository) == settings
    (said,) = (step for step in steps if "bfloat16 draws" in step)
    assert 0.9 <= float(re.findall(r"[0-9.]{6}", said)[0]) <= 1
    accelerated = {
        path.parent.name
        for path in repository.glob("*/config.pbtxt")
        if 'name: "openvino"' in path.read_text()
    }
    assert accelerated == {"sam_image_encoder", "sam_mask_decoder"}


def test_masks_that_are_others_are_refused(
    preset: Preset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bf16, "MIN_MEAN_IOU", 1.1)
    with pytest.raises(ParityError, match=r"expected at least 1\.1"):
        export_repository(preset, tmp_path / "repository", options=ExportOptions(bf16=True))
    assert not list(tmp_path.iterdir())


def test_a_missing_openvino_is_said_before_any_work(
    preset: Preset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bf16, "find_spec", lambda name: None)
    with pytest.raises(MissingToolError, match=r"pip install 'ssa-triton\[openvino\]'"):
        export_repository(preset, tmp_path / "repository", options=ExportOptions(bf16=True))
    assert not list(tmp_path.iterdir())


def test_it_is_served_and_finds_the_same_objects(
    repository: Path, client: SsaClient, tmp_path: Path
) -> None:
    copy = tmp_path / "repository"
    shutil.copytree(repository, copy)
    write_configs(copy, replace(RepositorySettings.load(copy), preset="mini, bf16", bf16=True))
    rgb = render_scene(scene_seed(90, 1)).image
    with (
        EmbeddedServer(copy, http_port=0, grpc_port=0, metrics_port=0) as server,
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
