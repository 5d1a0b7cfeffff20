"""`ssa convert`: what it refuses, leaves out and says."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ssa_client.cli.convert import FormatName
from ssa_client.formats import FORMATS, Survey, folder
from tests.unit.client.command import Outcome
from tests.unit.client.stored_results import (
    Results,
    closed_set_results,
    converted,
    document,
    engine_results,
)


@pytest.fixture(autouse=True)
def _wide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "500")


@pytest.fixture
def results(tmp_path: Path) -> Results:
    return closed_set_results(tmp_path)


def mask(content: dict[str, Any]) -> dict[str, Any]:
    entry: dict[str, Any] = content["annotations"][1]
    return entry


def without(key: str) -> Callable[[dict[str, Any]], object]:
    return lambda content: content.pop(key)


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (without("image"), "the file has no image"),
        (without("annotations"), "the file has no annotations"),
        (lambda c: c["image"].update(height="48"), "image has no height"),
        (lambda c: c["image"].update(width=0), "image has the width 0"),
        (lambda c: c["image"].update(file_name="../a b.png"), "describes '../a b.png'"),
        (lambda c: c["image"].update(file_name="other.png"), "describes 'other.png'"),
        (lambda c: c["annotations"].append(None), "annotations[10] has no segmentation"),
        (lambda c: mask(c).pop("class_name"), "annotations[1] has no class_name"),
        (lambda c: mask(c).update(class_name=" "), "annotations[1] has the class_name ' '"),
        (lambda c: mask(c).update(class_name="a\x00b"), "annotations[1] has the class_name"),
        (lambda c: mask(c).update(class_id=True), "annotations[1] has no class_id"),
        (lambda c: mask(c).update(class_id=-1), "annotations[1] has the class_id -1"),
        (lambda c: mask(c).update(class_id=0, class_name="sky"), "calls class 0 "),
        (lambda c: mask(c).update(vote_share=1.5), "annotations[1] has the vote_share 1.5"),
        (lambda c: mask(c)["segmentation"].update(size=[70, 48]), "has the size [70, 48]"),
        (lambda c: mask(c)["segmentation"].update(counts="0000"), "expected 3360"),
        (lambda c: mask(c)["segmentation"].update(counts="ü"), "characters of no COCO RLE"),
        (lambda c: mask(c)["segmentation"].update(counts=[3360]), "has no counts"),
        (without("semantic_mask"), "annotations[0] has no confidence"),
    ],
)
@pytest.mark.parametrize("to", ["coco", "cvat"])
def test_a_broken_file_is_named_and_left_out(
    results: Results, spoil: Callable[[dict[str, Any]], object], reason: str, to: str
) -> None:
    content = document(results, "a b")
    spoil(content)
    (results.folder / "a b_semantic.json").write_text(json.dumps(content), "utf-8")
    out = results.folder.parent / "out"
    done = Outcome("convert", results.folder, "--to", to, "--out", out)
    assert done.exit_code == 1
    assert reason in done.output
    assert f"{results.folder / 'a b_semantic.json'} " in done.output
    assert "2 converted, 10 masks" in done.output
    assert "a b.png" not in next(out.iterdir()).read_text("utf-8")


@pytest.mark.parametrize("content", [b"", b"[]", b"{", b"\xff", b"[" * 100_000, b"7"])
def test_what_is_no_result_is_named_and_left_out(results: Results, content: bytes) -> None:
    (results.folder / "bad_semantic.json").write_bytes(content)
    done = Outcome("convert", results.folder, "--to", "coco", "--out", results.folder / "out")
    assert done.exit_code == 1
    assert f"{results.folder / 'bad_semantic.json'} " in done.output
    assert "3 converted" in done.output


def test_other_files_are_none_of_its_business(results: Results) -> None:
    (results.folder / "report.json").write_text("{}")
    (results.folder / "a b_semantic.png").write_bytes(b"")
    converted(results, "coco")


def test_results_of_both_pipelines_are_not_mixed(results: Results, tmp_path: Path) -> None:
    engine = engine_results(tmp_path / "engine")
    content = json.loads(json.dumps(document(engine, "a b")).replace("a b.png", "z.png"))
    (results.folder / "z_semantic.json").write_text(json.dumps(content))
    done = Outcome("convert", results.folder, "--to", "coco", "--out", tmp_path / "out")
    assert done.exit_code == 1
    assert "is of the other pipeline" in done.output
    assert "3 converted" in done.output


def test_an_image_that_is_missing_is_named(stored: Results, tmp_path: Path) -> None:
    (stored.images / "one.png").unlink()
    done = Outcome(
        *("convert", stored.folder, "--to", "yolo"),
        *("--images", stored.images, "--out", tmp_path / "out"),
    )
    assert done.exit_code == 1
    assert f"its image 'one.png' is not in {stored.images}" in done.output
    assert not (tmp_path / "out" / "labels" / "one.txt").exists()


def test_an_empty_folder_is_said_so(tmp_path: Path) -> None:
    done = Outcome("convert", tmp_path, "--to", "coco", "--out", tmp_path / "out")
    assert done.exit_code == 1
    assert "has no NAME_semantic.json" in done.output
    assert not (tmp_path / "out").exists()


def test_a_folder_with_files_is_not_written_into(results: Results) -> None:
    done = Outcome("convert", results.folder, "--to", "coco", "--out", results.folder)
    assert done.exit_code == 2
    assert "is not empty" in done.output


def test_options_of_other_formats_are_refused(results: Results, tmp_path: Path) -> None:
    done = Outcome(
        *("convert", results.folder, "--to", "coco", "--out", tmp_path / "o", "--image-url", "x")
    )
    assert done.exit_code == 2
    assert "--image-url" in done.output


def test_a_full_disk_is_a_sentence(results: Results, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("ssa_client.writers.os.fsync", full)
    out = results.folder / "out"
    done = Outcome("convert", results.folder, "--to", "coco", "--out", out)
    assert done.exit_code == 1
    assert "No space left on device" in done.output
    assert f"what {out} holds is not complete" in done.output
    assert list(out.iterdir()) == []


def test_a_file_that_changes_under_way_is_named(
    results: Results, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    survey = Survey.dataset

    def then_spoil(self: Survey) -> folder.Dataset:
        (results.folder / "one_semantic.json").write_bytes(b"{")
        return survey(self)

    monkeypatch.setattr(Survey, "dataset", then_spoil)
    done = Outcome("convert", results.folder, "--to", "coco", "--out", tmp_path / "out")
    assert done.exit_code == 1
    assert f"{results.folder / 'one_semantic.json'} changed under way" in done.output
    assert not (tmp_path / "out" / "instances.json").exists()


@pytest.mark.parametrize("to", FORMATS)
def test_two_runs_write_the_same(results: Results, tmp_path: Path, to: str) -> None:
    written = []
    for name in ("first", "second"):
        out = tmp_path / name
        options = ("--to", to, "--out", out, "--images", results.images)
        assert Outcome("convert", results.folder, *options).exit_code == 0
        files = sorted(path for path in out.rglob("*") if path.is_file())
        written.append({path.relative_to(out): path.read_bytes() for path in files})
    assert written[0] == written[1]


def test_the_command_has_every_format() -> None:
    assert [name.value for name in FormatName] == list(FORMATS)


@pytest.mark.parametrize(
    ("to", "missing"), [("hf", "datasets"), ("hf", "pyarrow"), ("yolo", "cv2")]
)
def test_a_missing_library_names_the_extra(results: Results, to: str, missing: str) -> None:
    out = results.folder.parent / "out"
    arguments = ["convert", results.folder, "--to", to, "--out", out, "--images", results.images]
    code = (
        f"import sys; sys.modules[{missing!r}] = None\n"
        f"from ssa_client.cli import app; app({list(map(str, arguments))!r})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 2
    assert "ssa-triton[formats]" in done.stderr
    assert not out.exists()


@pytest.mark.parametrize("to", ["coco", "coco-panoptic", "label-studio", "cvat"])
def test_the_plain_formats_need_no_extra(results: Results, to: str) -> None:
    out = results.folder.parent / "out"
    arguments = ["convert", results.folder, "--to", to, "--out", out]
    code = (
        "import sys\n"
        "for name in ('cv2', 'datasets', 'pyarrow', 'supervision'): sys.modules[name] = None\n"
        f"from ssa_client.cli import app; app({list(map(str, arguments))!r})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
