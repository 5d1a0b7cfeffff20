"""A job's folder: one process, one job, and notes that outlive anything."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ssa_client.evaluation.server import ServerDescription
from ssa_client.jobs.errors import JobDiffersError, JobFolderError, JobRunningError
from ssa_client.jobs.failures import FailureLog, read_failures
from ssa_client.jobs.folder import open_folder
from ssa_client.jobs.local_storage import LocalStorage
from ssa_client.jobs.manifest import Manifest, Request
from tests.conftest import ROOT

SERVER = ServerDescription(
    url="here:1",
    name="triton",
    version="2.51.0",
    model="ssa",
    settings={"sam": {"source": "mini-sam", "sha256": "5a"}, "masks": {"points_per_side": 32}},
    backends={"ssa": "ensemble", "sam_image_encoder": "onnxruntime"},
    versions={"ssa": ["1"], "sam_image_encoder": ["1"]},
)
REQUEST = Request(images="/photos", model="ssa", settings={"points_per_side": "16"})
MANIFEST = Manifest.of(REQUEST, SERVER)


def with_setting(part: str, value: Any) -> Manifest:
    return Manifest.of(REQUEST, replace(SERVER, settings={**SERVER.settings, part: value}))


def test_a_manifest_reads_back_as_it_was(tmp_path: Path) -> None:
    MANIFEST.write(LocalStorage(tmp_path))
    assert Manifest.read(LocalStorage(tmp_path)) == MANIFEST
    assert Manifest.read(LocalStorage(tmp_path / "missing")) is None


def test_another_place_or_release_is_the_same_job() -> None:
    moved = with_setting("sam", {"source": "/disk/mini-sam", "sha256": "5a"})
    assert moved == MANIFEST
    assert Manifest.of(REQUEST, replace(SERVER, url="there:2", version="2.60.0")) == MANIFEST


@pytest.mark.parametrize(
    ("other", "difference"),
    [
        (with_setting("sam", {"sha256": "77"}), 'settings.sam.sha256 was "5a", is "77"'),
        (with_setting("masks", {"points_per_side": 8}), "settings.masks.points_per_side was 32"),
        (with_setting("clip", {"sha256": "1"}), "settings.clip was not there, is"),
        (
            Manifest.of(REQUEST, replace(SERVER, versions={"ssa": ["2"]})),
            'models.ssa.versions was ["1"], is ["2"]',
        ),
        (
            Manifest.of(replace(REQUEST, settings={}), SERVER),
            'request.settings.points_per_side was "16", is not there',
        ),
        (
            Manifest.of(replace(REQUEST, classes=["car"]), SERVER),
            'request.classes was null, is ["car"]',
        ),
        (Manifest.of(replace(REQUEST, masks="sa1b"), SERVER), 'request.masks was null, is "sa1b"'),
        (
            Manifest.of(replace(REQUEST, images="/elsewhere"), SERVER),
            "If the images only moved, correct 'images' in _job.json",
        ),
    ],
)
def test_results_of_two_jobs_are_not_mixed(
    tmp_path: Path, other: Manifest, difference: str
) -> None:
    with open_folder(LocalStorage(tmp_path), pictures=False) as folder:
        folder.begin(MANIFEST)
        folder.begin(MANIFEST)
        (tmp_path / "a_semantic.json").write_text("{}")
        folder.begin(MANIFEST)
        with pytest.raises(JobDiffersError) as refused:
            folder.begin(other)
    assert difference in str(refused.value)
    assert "Name another --out, or remove the folder" in str(refused.value)
    assert Manifest.read(LocalStorage(tmp_path)) == MANIFEST


def test_a_job_that_got_nowhere_makes_way(tmp_path: Path) -> None:
    other = with_setting("masks", {"points_per_side": 8})
    with open_folder(LocalStorage(tmp_path), pictures=False) as folder:
        folder.begin(other)
        folder.failures.add("a.jpg", "no such setting")
        folder.begin(MANIFEST)
        assert folder.failures.reasons == {}
    assert Manifest.read(LocalStorage(tmp_path)) == MANIFEST
    assert not (tmp_path / "_failures.jsonl").exists()


def test_results_of_unknown_origin_are_not_taken_over(tmp_path: Path) -> None:
    (tmp_path / "a_semantic.json").write_text("{}")
    with (
        open_folder(LocalStorage(tmp_path), pictures=False) as folder,
        pytest.raises(JobDiffersError, match=r"has results, but no _job\.json"),
    ):
        folder.begin(MANIFEST)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": 7}', '{"format": 1, "x": 2}'])
def test_a_manifest_that_is_none_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "_job.json").write_text(text)
    with (
        open_folder(LocalStorage(tmp_path), pictures=False) as folder,
        pytest.raises(JobDiffersError, match="does not describe a job"),
    ):
        folder.begin(MANIFEST)


def test_what_a_killed_run_left_is_removed_and_nothing_else(tmp_path: Path) -> None:
    kept = ["a_semantic.json", "a.tmp", ".ssa-notes", "_failures.jsonl"]
    for name in [*kept, ".ssa-0123456789ab.tmp"]:
        (tmp_path / name).touch()
    with open_folder(LocalStorage(tmp_path), pictures=False):
        names = {path.name for path in tmp_path.iterdir()}
    assert names == {*kept, "_job.lock"}


def test_a_folder_has_one_process_and_says_which(tmp_path: Path) -> None:
    holder = (
        "import sys, time\n"
        "from ssa_client.jobs.folder import open_folder\n"
        "from ssa_client.jobs.addresses import open_storage\n"
        "with open_folder(open_storage(sys.argv[1]), pictures=False):\n"
        "    print(flush=True); time.sleep(60)"
    )
    command = [sys.executable, "-c", holder, str(tmp_path)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as running:
        assert running.stdout is not None
        running.stdout.readline()
        with (
            pytest.raises(JobRunningError, match=rf"at work .*\(process {running.pid} on "),
            open_folder(LocalStorage(tmp_path), pictures=False),
        ):
            pass
        running.kill()
    # The dead hold nothing.
    with open_folder(LocalStorage(tmp_path), pictures=False):
        pass


def test_a_place_that_cannot_be_a_folder_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for path in (tmp_path / "file", tmp_path / "file" / "out"):
        with (
            pytest.raises(JobFolderError, match="cannot write to"),
            open_folder(LocalStorage(path), pictures=False),
        ):
            pass


def test_failures_outlive_a_line_that_was_torn(tmp_path: Path) -> None:
    path = tmp_path / "_failures.jsonl"
    log = FailureLog(LocalStorage(tmp_path))
    log.add("a.jpg", "too wide")
    log.add("straße.jpg", 'no "image"\n')
    log.add("a.jpg", "too high")
    whole = path.read_bytes()
    path.write_bytes(whole + b'{"file_name": "c.jpg", "rea\xc3')
    log = FailureLog(LocalStorage(tmp_path))
    assert log.reasons == {"a.jpg": "too high", "straße.jpg": 'no "image"\n'}
    log.settle(lambda name: False)
    log.add("d.jpg", "too deep")
    assert read_failures(path) == {**log.reasons, "d.jpg": "too deep"}
    assert len(path.read_text().splitlines()) == 3
    for line in path.read_text().splitlines():
        assert json.loads(line).keys() == {"file_name", "reason"}


def test_an_image_that_is_done_by_now_did_not_fail(tmp_path: Path) -> None:
    log = FailureLog(LocalStorage(tmp_path))
    log.add("a.jpg", "too wide")
    log.add("b.jpg", "too high")
    log.settle(lambda name: name == "a.jpg")
    assert read_failures(tmp_path / "_failures.jsonl") == {"b.jpg": "too high"}
    log.settle(lambda name: True)
    assert list(tmp_path.iterdir()) == []
