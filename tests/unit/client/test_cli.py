"""The `ssa` command, against a server that answers over real gRPC."""

from __future__ import annotations

import builtins
import json
import socket
import sys
from pathlib import Path
from typing import Any

import pytest
from grpc import StatusCode
from PIL import Image

from ssa_client import __version__, _retry
from tests.unit.client.command import Outcome
from tests.unit.client.fake_triton import FakeTriton


@pytest.fixture(autouse=True)
def _wide_and_quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "300")
    monkeypatch.setattr(_retry, "FIRST_WAIT_S", 0.01)


@pytest.fixture
def photos(tmp_path: Path, jpeg: bytes) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    (folder / "a.jpg").write_bytes(jpeg)
    (folder / "b.JPEG").write_bytes(jpeg)
    (folder / "notes.txt").write_text("no image")
    (folder / "a_semantic.png").write_bytes(jpeg)
    return folder


def test_a_folder_becomes_annotations_and_pictures(triton: FakeTriton, photos: Path) -> None:
    out = photos.parent / "out"
    done = Outcome("segment", photos, "--out", out, "--save-img", "--url", triton.url)
    assert done.exit_code == 0, done.output
    assert sorted(path.name for path in out.iterdir()) == [
        "a_semantic.json",
        "a_semantic.png",
        "b_semantic.json",
        "b_semantic.png",
    ]
    annotation = json.loads((out / "b_semantic.json").read_text())
    assert annotation["image"]["file_name"] == "b.JPEG"
    assert [entry["class_name"] for entry in annotation["annotations"]] == ["sky", "road", "car"]
    with Image.open(out / "a_semantic.png") as picture:
        assert picture.width == 80
    assert "2 segmented, 6 masks" in done.output


def test_settings_and_model_reach_the_server(triton: FakeTriton, photos: Path) -> None:
    done = Outcome(
        *("segment", photos / "a.jpg", "--out", photos.parent / "out", "--url", triton.url),
        *("--set", "points_per_side=16", "--set", "pred_iou_thresh = 0.9"),
    )
    assert done.exit_code == 0, done.output
    parameters = triton.requests[0].parameters
    sent = {name: parameters[name].string_param for name in parameters}
    assert sent == {"points_per_side": "16", "pred_iou_thresh": "0.9"}


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        (["points_per_side"], "not NAME=VALUE"),
        (["=3"], "not NAME=VALUE"),
        (["timeout_s=3"], "no mask setting"),
        (["a=1", "a=2"], "set twice"),
    ],
)
def test_a_malformed_setting_is_a_usage_error(photos: Path, settings: list[str], why: str) -> None:
    options = [text for setting in settings for text in ("--set", setting)]
    done = Outcome("segment", photos, "--out", photos.parent / "out", *options)
    assert done.exit_code == 2
    assert why in done.output


def test_a_bad_image_does_not_stop_the_others(triton: FakeTriton, photos: Path) -> None:
    triton.script = [(StatusCode.INVALID_ARGUMENT, "IMAGE is a damaged [jpeg].")]
    missing, out = photos / "missing.jpg", photos.parent / "out"
    done = Outcome("segment", photos, missing, "--out", out, "--url", triton.url)
    assert done.exit_code == 1
    assert [path.name for path in out.iterdir()] == ["b_semantic.json"]
    assert "1 segmented, 3 masks" in done.output
    assert "2 failed" in done.output
    # Whole, brackets too: it is text, not markup.
    assert f"{photos / 'a.jpg'} IMAGE is a damaged [jpeg]." in done.output
    assert "No such file" in done.output


def test_a_result_that_cannot_be_written_is_a_failure(triton: FakeTriton, photos: Path) -> None:
    (photos / "taken").write_text("a file where the folder should be")
    image = photos / "a.jpg"
    done = Outcome("segment", image, "--out", photos / "taken", "--url", triton.url)
    assert done.exit_code == 1
    assert "1 failed" in done.output


def test_outputs_of_one_name_are_not_overwritten(
    triton: FakeTriton, photos: Path, jpeg: bytes
) -> None:
    (photos / "a.png").write_bytes(jpeg)
    out = photos.parent / "out"
    first = photos / "a.jpg"
    done = Outcome("segment", first, first, photos / "a.png", "--out", out, "--url", triton.url)
    assert done.exit_code == 1
    assert f"would overwrite that of {first}" in done.output
    assert json.loads((out / "a_semantic.json").read_text())["image"]["file_name"] == "a.jpg"
    assert len(triton.requests) == 1


def test_an_empty_folder_is_a_failure(triton: FakeTriton, tmp_path: Path) -> None:
    done = Outcome("segment", tmp_path, "--out", tmp_path / "out", "--url", triton.url)
    assert done.exit_code == 1
    assert "no images" in done.output


def test_no_server_is_one_sentence_that_says_how_to_start_one(photos: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        url = f"127.0.0.1:{probe.getsockname()[1]}"
    done = Outcome("segment", photos, "--out", photos.parent / "out", "--url", url)
    assert done.exit_code == 1
    assert f"No server is ready at {url}: start one with `ssa serve`" in done.output
    assert "Images left: 2." in done.output
    assert "failed 2" not in done.output


def test_an_unknown_model_stops_the_run(triton: FakeTriton, photos: Path) -> None:
    triton.script = [(StatusCode.NOT_FOUND, "unknown model")] * 2
    done = Outcome("segment", photos, "--out", photos.parent / "out", "--url", triton.url)
    assert done.exit_code == 1
    assert "does not serve 'ssa'; name another with --model (unknown model)" in done.output
    assert len(triton.requests) == 1


def test_a_missing_extra_is_named_before_any_work(
    triton: FakeTriton, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real_import = builtins.__import__

    def without_opencv(name: str, *arguments: Any, **keywords: Any) -> Any:
        if name == "cv2":
            raise ImportError("No module named 'cv2'")
        return real_import(name, *arguments, **keywords)

    for module in ("ssa_client.drawing", "ssa_client._labels"):
        monkeypatch.delitem(sys.modules, module, raising=False)
    monkeypatch.setattr(builtins, "__import__", without_opencv)
    out = photos.parent / "out"
    done = Outcome("segment", photos, "--out", out, "--save-img", "--url", triton.url)
    assert done.exit_code == 2
    assert "this needs the 'draw' extra: pip install 'ssa-triton[draw]'" in done.output
    assert triton.requests == []
    # Without pictures there is nothing to miss.
    assert Outcome("segment", photos, "--out", out, "--url", triton.url).exit_code == 0


def test_scenes_are_drawn_in_a_layout(tmp_path: Path) -> None:
    done = Outcome(
        *("scenes", "--layout", "sa1b", "--seed", 5, "--count", 2, "--size", "64x48"),
        *("--out", tmp_path),
    )
    assert done.exit_code == 0, done.output
    pictures = sorted(tmp_path.glob("sa_*.jpg"))
    assert len(pictures) == 2
    with Image.open(pictures[0]) as picture:
        assert picture.size == (64, 48)
    wrong = Outcome("scenes", "--size", "64", "--out", tmp_path)
    assert wrong.exit_code == 2
    assert "not WIDTHxHEIGHT" in wrong.output


def test_the_command_teaches() -> None:
    assert Outcome("--version").output == f"ssa-triton {__version__}"
    overview = Outcome("--help").output
    for command in ("serve", "segment", "annotate", "export", "scenes"):
        assert command in overview
    assert "ssa segment street.jpg --out output" in overview
