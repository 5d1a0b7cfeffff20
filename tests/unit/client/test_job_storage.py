"""A folder is the same to a job wherever it is; an object store needs a lock of its own making."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path

import pytest

from ssa_client.jobs import remote, remote_lock
from ssa_client.jobs.addresses import open_storage
from ssa_client.jobs.errors import JobFolderError, JobRunningError
from ssa_client.jobs.failures import FailureLog
from ssa_client.jobs.folder import open_folder
from ssa_client.jobs.storage import Storage


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote_lock, "RENEWED_EVERY_S", 0.1)
    monkeypatch.setattr(remote_lock, "STALE_AFTER_S", 1.5)
    monkeypatch.setattr(remote_lock, "SETTLED_AFTER_S", 0.5)


@pytest.fixture(params=["local", "memory", "s3"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A folder that is not there yet."""
    if request.param == "local":
        return str(tmp_path / "a" / "b")
    if request.param == "memory":
        return f"memory://{tmp_path}/a/b"
    return f"{request.getfixturevalue('bucket')}/a/b"


@pytest.fixture(params=["memory", "s3"])
def elsewhere(request: pytest.FixtureRequest, tmp_path: Path) -> Storage:
    if request.param == "memory":
        return open_storage(f"memory://{tmp_path}/out")
    return open_storage(f"{request.getfixturevalue('bucket')}/out")


def silent(text: str) -> None:
    raise AssertionError(text)


def test_a_folder_is_the_same_wherever_it_is(address: str) -> None:
    storage = open_storage(address)
    assert str(storage) == address
    assert storage.at("a.txt") == f"{address}/a.txt"
    with storage.hold(silent):
        storage.write("straße.txt", b"0123456789")
        storage.write("straße.txt", b"abcdefghij")
        storage.write("empty", b"")
        storage.append("lines", b"1\n")
        storage.append("lines", b"2\n")
    again = open_storage(address)
    assert {"straße.txt", "empty", "lines"} <= set(again.names()) | {"_job.lock"}
    assert again.existing(["empty", "missing", "lines"]) == {"empty", "lines"}
    assert again.read("straße.txt") == b"abcdefghij"
    assert again.read("straße.txt", 3, 4) == b"defg"
    assert again.read("straße.txt", 0, 2) == b"ab"
    assert again.read("straße.txt", 8, 5) == b"ij"
    assert again.read("straße.txt", 3, 0) == b""
    assert again.read("empty") == b""
    assert again.read("lines") == b"1\n2\n"
    with again.open("straße.txt") as file:
        file.seek(5)
        assert file.read(2) == b"fg"
    size, before = again.version("straße.txt")
    assert size == 10
    again.write("straße.txt", b"0123456789")
    assert again.version("straße.txt") != (size, before)
    again.remove("empty")
    again.remove("empty")
    assert "empty" not in set(again.names())
    for missing in (again.read, again.version, again.open):
        with pytest.raises(FileNotFoundError) as told:
            missing("empty")
        assert "No such file" in (told.value.strerror or "")


def test_what_lies_deeper_is_not_in_the_folder(elsewhere: Storage) -> None:
    open_storage(f"{elsewhere}/deeper").write("b.jpg", b"b")
    elsewhere.write("a.jpg", b"a")
    assert list(elsewhere.names()) == ["a.jpg"]


def test_failures_are_kept_without_being_put_each_time(
    elsewhere: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote, "APPEND_EVERY_S", 60)
    with elsewhere.hold(silent):
        log = FailureLog(elsewhere)
        for number in range(50):
            log.add(f"{number}.jpg", "too wide")
        assert len(elsewhere.read("_failures.jsonl").splitlines()) == 1
    log = FailureLog(elsewhere)
    assert len(log.reasons) == 50
    with elsewhere.hold(silent):
        log.settle(lambda name: name != "7.jpg")
        log.add("a.jpg", "too high")
    assert FailureLog(elsewhere).reasons == {"7.jpg": "too wide", "a.jpg": "too high"}


def test_one_process_at_a_time(elsewhere: Storage) -> None:
    other = open_storage(str(elsewhere))
    notices: list[str] = []
    with elsewhere.hold(silent):
        with (
            pytest.raises(JobRunningError, match=r"a job is at work in .*\(process \d+ on "),
            other.hold(notices.append),
        ):
            pass
        elsewhere.write("a", b"a")  # it is still its own
    assert len(notices) == 1
    assert "watching for 1.5 s whether it still is" in notices[0]
    with other.hold(silent):
        pass
    assert "_job.lock" not in set(elsewhere.names())


def test_the_killed_hold_nothing_for_long(elsewhere: Storage) -> None:
    lock = {"owner": "process 1 on there", "token": "77", "beats": 3}
    elsewhere.write("_job.lock", json.dumps(lock).encode())
    notices: list[str] = []
    with elsewhere.hold(notices.append):
        assert json.loads(elsewhere.read("_job.lock"))["token"] != "77"
    assert len(notices) == 1
    assert "(process 1 on there)" in notices[0]


def test_of_two_who_take_over_one_goes_on(elsewhere: Storage) -> None:
    elsewhere.write("_job.lock", b"{}")
    held: list[Storage] = []
    refused: list[JobRunningError] = []
    together = threading.Barrier(2)

    def take() -> None:
        mine = open_storage(str(elsewhere))
        together.wait()
        try:
            with mine.hold(lambda _: None):
                held.append(mine)
                done.wait(5)
        except JobRunningError as error:
            refused.append(error)
            done.set()

    done = threading.Event()
    threads = [threading.Thread(target=take) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(held), len(refused)) == (1, 1)


def test_who_was_taken_over_writes_no_more(elsewhere: Storage) -> None:
    other = open_storage(str(elsewhere))
    lock = {"owner": "process 1 on there", "token": "77", "beats": 3}
    until = time.monotonic() + 30

    def write_until_refused() -> None:
        while time.monotonic() < until:
            # Again and again: a renewal that had looked just before puts its own back, once.
            other.write("_job.lock", json.dumps(lock).encode())
            time.sleep(0.3)
            elsewhere.write("a", b"a")

    with elsewhere.hold(silent):
        with pytest.raises(OSError, match="process 1 on there took it over"):
            write_until_refused()
        with pytest.raises(OSError, match="process 1 on there took it over"):
            elsewhere.write("b", b"b")
    # The lock is the other's now, and stays.
    assert json.loads(elsewhere.read("_job.lock")) == lock
    assert not elsewhere.existing(["b"])


def test_a_bucket_that_is_not_there_is_told(bucket: str) -> None:
    with (
        pytest.raises(JobFolderError, match=f"cannot write to '{bucket}-not/out': No such"),
        open_folder(open_storage(f"{bucket}-not/out"), pictures=False),
    ):
        pass
