"""`ssa annotate` run again and again over one folder, with everything that goes wrong between."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from grpc import StatusCode

from ssa_client.jobs import runner
from ssa_client.jobs.failures import read_failures
from ssa_client.jobs.lock import folder_lock
from ssa_client.jobs.sources import Source
from ssa_client.jobs.work import read_image
from tests.unit.client.command import Outcome
from tests.unit.client.fake_triton import FakeTriton
from tests.unit.client.job_results import ALL, results

INVALID = (StatusCode.INVALID_ARGUMENT, "IMAGE is a damaged [jpeg].")


def test_a_rerun_does_what_is_missing(
    engine: FakeTriton, annotate: Callable[..., Outcome], out: Path
) -> None:
    assert annotate().exit_code == 0
    before = results(out)
    assert before.keys() == ALL
    (out / "c_semantic.json").unlink()
    engine.requests.clear()
    done = annotate("--concurrency", 1, "--timeout", 99)
    assert done.exit_code == 0
    assert f"1 annotated, 3 masks, in {out}; 5 were done before" in done.output
    assert len(engine.requests) == 1
    assert results(out) == before
    assert "0 annotated, 0 masks" in annotate().output
    assert len(engine.requests) == 1


def test_pictures_may_be_asked_for_later(annotate: Callable[..., Outcome], out: Path) -> None:
    assert annotate().exit_code == 0
    before = results(out)
    done = annotate("--save-img")
    assert "6 annotated" in done.output
    assert results(out).keys() == ALL | {f"{name}_semantic.png" for name in "abcdef"}
    assert before.items() <= results(out).items()
    assert "6 were done before" in annotate("--save-img").output
    assert "6 were done before" in annotate().output


def test_other_settings_or_models_are_refused(
    engine: FakeTriton, annotate: Callable[..., Outcome], out: Path
) -> None:
    assert annotate("--set", "points_per_side=16").exit_code == 0
    before = results(out)
    engine.requests.clear()
    done = annotate("--set", "points_per_side=8", "--classes", "car")
    assert done.exit_code == 1
    assert "holds another job's results" in done.output
    assert 'request.settings.points_per_side was "16", is "8"' in done.output
    assert 'request.classes was null, is ["car"]' in done.output
    engine.settings["sam"]["sha256"] = "77"
    done = annotate("--set", "points_per_side=16")
    assert done.exit_code == 1
    assert 'settings.sam.sha256 was "5a", is "77"' in done.output
    assert engine.requests == []
    assert results(out) == before


def test_failures_are_noted_and_tried_again_on_demand(
    engine: FakeTriton, annotate: Callable[..., Outcome], out: Path
) -> None:
    engine.script = [INVALID, INVALID]
    done = annotate("--concurrency", 1)
    assert done.exit_code == 1
    assert "2 failed" in done.output
    noted = read_failures(out / "_failures.jsonl")
    assert set(noted.values()) == {"IMAGE is a damaged [jpeg]."}
    engine.requests.clear()
    done = annotate()
    assert done.exit_code == 1
    assert "4 were done before" in done.output
    assert "2 failed in earlier runs and were not tried again (--retry-failed)" in done.output
    assert engine.requests == []
    engine.script = [INVALID]
    done = annotate("--retry-failed", "--concurrency", 1)
    assert done.exit_code == 1
    assert "1 annotated, 3 masks" in done.output
    assert read_failures(out / "_failures.jsonl").items() < noted.items()
    done = annotate("--retry-failed")
    assert done.exit_code == 0
    assert not (out / "_failures.jsonl").exists()
    assert results(out).keys() == ALL


def test_a_hopeless_job_is_stopped(
    engine: FakeTriton, annotate: Callable[..., Outcome], out: Path
) -> None:
    engine.script = [INVALID] * 2
    done = annotate("--max-failures", 2, "--concurrency", 1)
    assert done.exit_code == 1
    assert "2 images failed, as many as --max-failures allows." in done.output
    assert "Images left:" in done.output
    assert len(read_failures(out / "_failures.jsonl")) == 2
    # Those that failed before do not count again.
    done = annotate("--max-failures", 2)
    assert "2 failed in earlier runs" in done.output
    assert len(results(out)) == 4


def test_many_failures_are_not_all_listed(
    engine: FakeTriton, annotate: Callable[..., Outcome], photos: Path, jpeg: bytes, out: Path
) -> None:
    for number in range(24):
        (photos / f"{number}.jpg").write_bytes(jpeg)
    engine.script = [INVALID] * 30
    done = annotate()
    assert "30 failed" in done.output
    assert done.output.count("IMAGE is a damaged [jpeg].") == 20
    assert f"All of them are in {out / '_failures.jsonl'}." in done.output


def test_two_images_of_one_name(
    annotate: Callable[..., Outcome], photos: Path, jpeg: bytes, out: Path
) -> None:
    (photos / "a.png").write_bytes(jpeg)
    for _ in range(2):
        assert annotate().exit_code == 1
        assert read_failures(out / "_failures.jsonl") == {
            "a.png": "its output would overwrite that of 'a.jpg'; give it another --out."
        }
        assert results(out).keys() == ALL


def test_an_image_that_vanishes_or_changes_fails(
    annotate: Callable[..., Outcome], photos: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fstat = os.fstat

    def vanishing(source: Source, name: str, *, masks: bool) -> Any:
        if name == "c.jpg":
            (photos / name).unlink()
        return read_image(source, name, masks=masks)

    def growing(descriptor: int) -> os.stat_result:
        if Path(f"/proc/self/fd/{descriptor}").readlink().name == "d.jpg":
            with (photos / "d.jpg").open("ab") as file:
                file.write(b"more")
        return fstat(descriptor)

    monkeypatch.setattr(runner, "read_image", vanishing)
    monkeypatch.setattr(os, "fstat", growing)
    done = annotate()
    assert done.exit_code == 1
    assert "4 annotated" in done.output
    noted = read_failures(out / "_failures.jsonl")
    assert noted.keys() == {"c.jpg", "d.jpg"}
    assert noted["c.jpg"] == f"cannot read image '{photos / 'c.jpg'}': No such file or directory."
    assert noted["d.jpg"].endswith("changed while it was read; is it still being written?")


def test_a_bug_costs_one_image(
    annotate: Callable[..., Outcome], out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(source: Source, name: str, *, masks: bool) -> Any:
        if name == "c.jpg":
            raise ZeroDivisionError("division by zero")
        return read_image(source, name, masks=masks)

    monkeypatch.setattr(runner, "read_image", broken)
    assert annotate().exit_code == 1
    assert read_failures(out / "_failures.jsonl") == {
        "c.jpg": "unexpected ZeroDivisionError: division by zero"
    }
    assert len(results(out)) == 5


def test_a_name_that_leaves_no_room_for_the_ending(
    annotate: Callable[..., Outcome], photos: Path, jpeg: bytes, out: Path
) -> None:
    name = "n" * 251 + ".jpg"
    (photos / name).write_bytes(jpeg)
    assert annotate().exit_code == 1
    assert "is too long a file name" in read_failures(out / "_failures.jsonl")[name]
    assert results(out).keys() == ALL


def test_a_name_that_is_no_utf_8(
    annotate: Callable[..., Outcome], photos: Path, jpeg: bytes, out: Path
) -> None:
    name = os.fsdecode(b"stra\xdfe")
    (photos / f"{name}.jpg").write_bytes(jpeg)
    assert annotate().exit_code == 0
    assert results(out).keys() == ALL | {f"{name}_semantic.json"}
    assert "7 were done before" in annotate().output


def test_two_jobs_on_one_folder(
    engine: FakeTriton, annotate: Callable[..., Outcome], out: Path
) -> None:
    out.mkdir()
    with folder_lock(out):
        done = annotate()
    assert done.exit_code == 1
    assert f"a job is at work in '{out}' (process {os.getpid()} on " in done.output
    assert engine.requests == []
    assert annotate().exit_code == 0
