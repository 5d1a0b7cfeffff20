"""Files are whole or not there."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ssa_client import SegmentationResult, write_annotation, write_picture, writers


@pytest.fixture
def result() -> SegmentationResult:
    return SegmentationResult(
        (2, 3), (), ("road", "sidewalk"), np.array([[0, 1, 1], [0, 0, 1]], np.uint16)
    )


def test_what_is_written_reads_back(tmp_path: Path, result: SegmentationResult) -> None:
    annotation = result.to_annotation("straße.jpg")
    path = writers.json_path(tmp_path / "new" / "folder", "straße")
    write_annotation(path, annotation)
    assert path.name == "straße_semantic.json"
    assert json.loads(path.read_text("utf-8")) == annotation
    picture = Image.new("RGB", (3, 2), (1, 2, 3))
    write_picture(writers.picture_path(path.parent, "straße"), picture)
    with Image.open(path.parent / "straße_semantic.png") as read:
        assert read.tobytes() == picture.tobytes()
    assert len(list(path.parent.iterdir())) == 2


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, result: SegmentationResult
) -> None:
    path = tmp_path / "a_semantic.json"
    path.write_text("old")

    def disk_full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", disk_full)
    with pytest.raises(OSError, match="No space left"):
        write_annotation(path, result.to_annotation("a.jpg"))
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_nobody_sees_a_part_of_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, result: SegmentationResult
) -> None:
    path = tmp_path / "a_semantic.json"
    path.write_text("old")
    seen: list[str] = []
    sync = os.fsync

    def watch(descriptor: int) -> None:
        seen.append(path.read_text())
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", watch)
    write_annotation(path, result.to_annotation("a.jpg"))
    assert seen[0] == "old"
    assert len(seen) == 2  # the file, and then the folder that it was renamed in
    assert json.loads(path.read_text())["image"]["file_name"] == "a.jpg"


def test_the_file_has_the_access_of_any_new_file(
    tmp_path: Path, result: SegmentationResult
) -> None:
    ordinary = tmp_path / "ordinary"
    ordinary.touch()
    path = tmp_path / "a_semantic.json"
    write_annotation(path, result.to_annotation("a.jpg"))
    assert stat.S_IMODE(path.stat().st_mode) == stat.S_IMODE(ordinary.stat().st_mode)


def test_a_name_that_is_no_utf_8_reads_back(tmp_path: Path, result: SegmentationResult) -> None:
    name = os.fsdecode(b"stra\xdfe.jpg")
    path = tmp_path / "a_semantic.json"
    write_annotation(path, result.to_annotation(name))
    assert json.loads(path.read_text("utf-8"))["image"]["file_name"] == name


def test_a_name_may_be_as_long_as_names_can_be(tmp_path: Path, result: SegmentationResult) -> None:
    path = writers.json_path(tmp_path, "n" * (255 - len("_semantic.json")))
    write_annotation(path, result.to_annotation("n.jpg"))
    assert list(tmp_path.iterdir()) == [path]
