"""Good requests through every door: the sync and async clients, HTTP, the command, the demo."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tritonclient.http
from PIL import Image
from pycocotools import mask as coco_mask
from skimage import data
from typer.testing import CliRunner

from ssa_backend import specs
from ssa_backend.embedded.server import EmbeddedServer
from ssa_backend.settings import RepositorySettings
from ssa_client import AsyncSsaClient, InvalidRequestError, SegmentationResult, SsaClient
from ssa_client.cli import app
from ssa_export.scenes import render_scene, scene_seed
from tests.conftest import ROOT
from tests.images import encoded, scene

SETTINGS: dict[str, Any] = {"points_per_side": 16}


@pytest.fixture(scope="module")
def street() -> Image.Image:
    return Image.fromarray(render_scene(scene_seed(30, 0), (240, 320)).image)


@pytest.fixture
def result(client: SsaClient, street: Image.Image) -> SegmentationResult:
    return client.segment(street, branch=True, **SETTINGS)


def test_a_result_holds_together(
    result: SegmentationResult, street: Image.Image, repository_settings: RepositorySettings
) -> None:
    height, width = result.size_hw
    assert (width, height) == street.size
    assert repository_settings.segmenter
    assert result.labels == repository_settings.segmenter.labels
    assert len(result.masks) > 3
    areas = [mask.area for mask in result.masks]
    assert areas == sorted(areas, reverse=True)
    assert result.branch_map is not None
    painted = result.branch_map.copy()
    for mask in result.masks:
        inside = mask.decode()
        votes = np.bincount(result.branch_map[inside])
        assert inside.sum() == mask.area
        assert mask.class_id == votes.argmax()
        assert mask.vote_share == pytest.approx(votes.max() / mask.area)
        assert mask.class_name == result.labels[mask.class_id] == mask.class_proposals[0]
        painted[inside] = mask.class_id
    np.testing.assert_array_equal(result.semantic_map, painted)


def test_masks_keep_to_the_settings_of_the_request(client: SsaClient, street: Image.Image) -> None:
    strict = client.segment(street, pred_iou_thresh=0.9, stability_score_thresh=0.95, **SETTINGS)
    assert all(m.predicted_iou > 0.9 and m.stability_score >= 0.95 for m in strict.masks)
    crops = client.segment(street, crop_n_layers=1, **SETTINGS)
    assert len({mask.crop_box_xywh for mask in crops.masks}) > 1
    # SAM's own estimate of the IoU may exceed 1.
    none = client.segment(street, pred_iou_thresh=1.0, stability_score_thresh=1.0)
    assert len(none.masks) == 0


async def test_concurrent_requests_get_the_sync_answer(
    server: EmbeddedServer, street: Image.Image, result: SegmentationResult
) -> None:
    """Networks batch across these requests; one of them is bad and harms only itself."""
    async with AsyncSsaClient(server.grpc_url) as client:
        requests = [client.segment(street, **SETTINGS) for _ in range(4)]
        *answers, refused = await asyncio.gather(
            *requests, client.segment(b"no image"), return_exceptions=True
        )
    assert isinstance(refused, InvalidRequestError)
    for answer in answers:
        assert isinstance(answer, SegmentationResult)
        # Batched arithmetic may differ in the last bit, so that a pixel on an edge may too.
        assert [mask.class_name for mask in answer.masks] == [m.class_name for m in result.masks]
        assert np.mean(answer.semantic_map != result.semantic_map) < 1e-4


def test_http_gives_the_same_answer(
    server: EmbeddedServer, street: Image.Image, result: SegmentationResult
) -> None:
    client = tritonclient.http.InferenceServerClient(server.http_url.removeprefix("http://"))
    image = tritonclient.http.InferInput(specs.IMAGE.name, [1], specs.IMAGE.datatype)
    image.set_data_from_numpy(np.array([encoded(street)], object))
    response = client.infer(specs.SSA.name, [image], parameters=SETTINGS)
    client.close()
    counts = [value.decode() for value in response.as_numpy(specs.SEGMENTATION.name)]
    assert counts == [mask.segmentation["counts"] for mask in result.masks]
    assert result.branch_map is not None
    np.testing.assert_array_equal(response.as_numpy(specs.BRANCH_MAP.name), result.branch_map)


def test_the_command_goes_on_past_a_bad_image(server: EmbeddedServer, tmp_path: Path) -> None:
    pictures = tmp_path / "in"
    pictures.mkdir()
    scene().save(pictures / "good.png")
    (pictures / "broken.jpg").write_bytes(encoded(scene(), "JPEG")[:900])
    out = tmp_path / "out"
    arguments = ["segment", str(pictures), "--out", str(out), "--save-img"]
    settings = ["--set", "points_per_side=8", "--url", server.grpc_url]
    wide = {"COLUMNS": "300"}  # no path is broken over lines
    run = CliRunner(env=wide).invoke(app, [*arguments, *settings])
    assert run.exit_code == 1
    assert "broken.jpg" in run.output
    assert "damaged" in run.output
    assert sorted(path.name for path in out.iterdir()) == [
        "good_semantic.json",
        "good_semantic.png",
    ]
    annotation = json.loads((out / "good_semantic.json").read_text("utf-8"))
    rle = annotation["semantic_mask"]
    assert sum(coco_mask.area(part) for part in rle.values()) == 96 * 128


def test_a_photograph_is_served(client: SsaClient) -> None:
    photograph = data.astronaut()
    result = client.segment(photograph, **SETTINGS)
    assert result.size_hw == photograph.shape[:2]
    assert result.draw(photograph).width >= photograph.shape[1]


def test_the_demo_writes_masks_and_pictures(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "ssa_client.demo", "--out", str(tmp_path)]
    demo = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    assert "masks in" in demo.stdout
    for kind in ("json", "png"):
        assert len(list(tmp_path.glob(f"*_semantic.{kind}"))) == 2
