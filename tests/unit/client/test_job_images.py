"""A folder of images is streamed, and each image has an id of its own."""

from __future__ import annotations

import os
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest

from ssa_client.jobs import images
from ssa_client.jobs.images import JobImages
from ssa_client.jobs.local_storage import LocalStorage
from ssa_client.jobs.names import stable_image_id
from ssa_client.jobs.sources import FolderSource


def survey(folder: Path) -> JobImages:
    return JobImages.survey(FolderSource(LocalStorage(folder)))


def test_an_id_depends_on_the_name_alone_and_every_json_reader_gets_it() -> None:
    # Pinned: another number would give a continued job two kinds of ids.
    assert stable_image_id("street.jpg") == 6674663769123175
    names = [f"{number}.jpg" for number in range(1000)] + [os.fsdecode(b"stra\xdfe.jpg")]
    ids = [stable_image_id(name) for name in names]
    assert len(set(ids)) == len(ids)
    assert all(0 < id_ < 2**53 for id_ in ids)


def test_images_come_in_sorted_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(images, "BLOCK", 4)
    for name in ("b.JPG", "a.png", "d.webp", "c.tiff", "e.bmp", "f.jpeg", "notes.txt", "jpg"):
        (tmp_path / name).touch()
    (tmp_path / "a_semantic.png").touch()
    (tmp_path / "folder.jpg").mkdir()
    folder = survey(tmp_path)
    assert folder.count == 6
    assert folder.shadowed == {}
    blocks = list(folder.blocks())
    assert [len(block) for block in blocks] == [4, 2]
    assert all(block == sorted(block) for block in blocks)
    assert sorted(name for block in blocks for name in block) == [
        "a.png",
        "b.JPG",
        "c.tiff",
        "d.webp",
        "e.bmp",
        "f.jpeg",
    ]


def test_images_that_would_share_outputs_are_found(tmp_path: Path) -> None:
    for name in ("a.png", "a.jpg", "a.webp", "b.jpg", "c.d.jpg", "c.png"):
        (tmp_path / name).touch()
    folder = survey(tmp_path)
    assert folder.shadowed == {"a.png": "a.jpg", "a.webp": "a.jpg"}


def test_a_survey_holds_a_few_bytes_an_image(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    count = 40_000

    def names(_: LocalStorage) -> Iterator[str]:
        return (f"an_image_with_a_name_that_takes_space_{number}.jpg" for number in range(count))

    monkeypatch.setattr(LocalStorage, "names", names)
    monkeypatch.setattr(images, "BLOCK", 1000)
    tracemalloc.start()
    folder = survey(tmp_path)
    for block in folder.blocks():
        assert block
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert folder.count == count
    assert peak < 60 * count
