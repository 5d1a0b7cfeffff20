"""`ssa annotate` on a disk that is full or cannot be written."""

from __future__ import annotations

import errno
import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import BinaryIO

import pytest

from ssa_client.jobs import local_storage
from ssa_client.writers import is_result, replacing
from tests.unit.client.command import Outcome
from tests.unit.client.fake_triton import FakeTriton
from tests.unit.client.job_results import results


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO])
def test_a_disk_that_takes_no_more_stops_the_job(
    annotate: Callable[..., Outcome], out: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    written: list[Path] = []

    def full(path: Path) -> AbstractContextManager[BinaryIO]:
        if is_result(path.name):
            if len(written) == 2:
                raise OSError(code, os.strerror(code))
            written.append(path)
        return replacing(path)

    with monkeypatch.context() as patch:
        patch.setattr(local_storage, "replacing", full)
        done = annotate("--concurrency", 1)
    assert done.exit_code == 1
    assert f"cannot write to '{out}': {os.strerror(code)}. What is done is kept" in done.output
    assert "Images left: 4." in done.output
    assert len(results(out)) == 2
    assert not (out / "_failures.jsonl").exists()
    assert "4 annotated" in annotate().output


@contextmanager
def small_disk(folder: Path, *options: str) -> Iterator[None]:
    """A file system of its own at `folder`; the test is skipped where that is not allowed."""
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", ",".join(options), "tmpfs", str(folder)]
    try:
        if subprocess.run(command, capture_output=True).returncode:
            pytest.skip("mounting is not allowed here")
    except FileNotFoundError:
        pytest.skip("there is no mount here")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_disk_that_is_really_full(
    annotate: Callable[..., Outcome], photos: Path, jpeg: bytes, out: Path
) -> None:
    for number in range(20):
        (photos / f"{number}.jpg").write_bytes(jpeg)
    with small_disk(out, "size=48k"):
        done = annotate()
        assert done.exit_code == 1
        assert "No space left on device. What is done is kept" in done.output
        before = results(out)
        assert 0 < len(before) < 26
        assert all(content.endswith(b"}") for content in before.values())
        subprocess.run(["mount", "-o", "remount,size=1m", str(out)], check=True)
        done = annotate()
        assert done.exit_code == 0, done.output
        assert f"{len(before)} were done before" in done.output
        assert before.items() < results(out).items()
        assert len(results(out)) == 26


def test_a_disk_that_is_read_only(annotate: Callable[..., Outcome], out: Path) -> None:
    with small_disk(out, "ro"):
        done = annotate()
    assert done.exit_code == 1
    assert f"cannot write to '{out}': Read-only file system." in done.output


def test_a_folder_that_is_not_the_user_s(
    annotate: Callable[..., Outcome], out: Path, engine: FakeTriton
) -> None:
    out.touch()
    done = annotate()
    assert done.exit_code == 1
    assert f"cannot write to '{out}': File exists." in done.output
    assert engine.requests == []
