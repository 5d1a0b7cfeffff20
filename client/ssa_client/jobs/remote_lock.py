"""One job at a time on a folder of an object store, which has no locks of processes.

The job's file is `_job.lock`, renewed every few seconds while the job is at work. Who finds one
watches it: while it is renewed, a job is at work; once it is not, that job was killed, and the file
is taken over. Nobody's clock is compared with another's.

It is made by a conditional put, where the store has it. Where it does not, two jobs that begin
within the same second may both start; the one whose file was replaced stops at its next renewal.
Until then both do the same images in the same way: whole files of the same content, done twice.
"""

from __future__ import annotations

import json
import os
import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Protocol

from ssa_client.jobs.errors import JobRunningError
from ssa_client.jobs.lock import LOCK_NAME
from ssa_client.jobs.storage import Notice, Storage

RENEWED_EVERY_S = 5.0
# Not renewed for so long: whoever held it was killed, or is cut off from the store.
STALE_AFTER_S = 30.0
# Of several who take over at once, the last to write wins; the others look again after so long.
SETTLED_AFTER_S = 2.0


class LockableStorage(Storage, Protocol):
    """A folder that can tell who of two was first to make a file."""

    def create(self, name: str, content: bytes) -> bool:
        """Make a file, and say whether it was this call that made it."""


@contextmanager
def heartbeat(
    storage: LockableStorage, notice: Notice, lost: Callable[[str], None]
) -> Iterator[None]:
    """Hold `storage`; `lost` is told who took it over, which is noticed at the next renewal.

    Raises:
        JobRunningError: another process holds it.
        OSError: the storage does not answer.
    """
    owner = f"process {os.getpid()} on {socket.gethostname()}"
    token = uuid.uuid4().hex
    _take(storage, owner, token, notice)
    done = threading.Event()

    def renew() -> None:
        beats = 0
        while not done.wait(RENEWED_EVERY_S):
            beats += 1
            try:
                found = _read(storage)
                if found and found["token"] != token:
                    lost(found["owner"])
                    return
                storage.write(LOCK_NAME, _content(owner, token, beats))
            except OSError:
                continue  # whether the store is gone shows in what the job writes

    renewing = threading.Thread(target=renew, daemon=True)
    renewing.start()
    try:
        yield
    finally:
        done.set()
        renewing.join()
        with suppress(OSError):  # it is taken over once it is stale
            found = _read(storage)
            if found and found["token"] == token:
                storage.remove(LOCK_NAME)


def _take(storage: LockableStorage, owner: str, token: str, notice: Notice) -> None:
    found = _read(storage)
    content = _content(owner, token, 0)
    if found is None and storage.create(LOCK_NAME, content):
        return
    who = found["owner"] if found else "another process"
    notice(
        f"A job was at work in {str(storage)!r} ({who}); "
        f"watching for {STALE_AFTER_S:g} s whether it still is."
    )
    until = time.monotonic() + STALE_AFTER_S
    while time.monotonic() < until:
        time.sleep(min(1.0, STALE_AFTER_S / 10))
        now = _read(storage)
        if now is None:
            break
        if found and now != found:
            raise _running(storage, now["owner"])
        found = now
    storage.write(LOCK_NAME, content)
    time.sleep(SETTLED_AFTER_S)
    now = _read(storage)
    if now and now["token"] != token:
        raise _running(storage, now["owner"])


def _running(storage: LockableStorage, owner: str) -> JobRunningError:
    return JobRunningError(
        f"a job is at work in {str(storage)!r} ({owner}); wait for it, or name another --out."
    )


def _content(owner: str, token: str, beats: int) -> bytes:
    return json.dumps({"owner": owner, "token": token, "beats": beats}).encode()


def _read(storage: LockableStorage) -> dict[str, str] | None:
    """What is in the file; None where there is none, or none of this kind."""
    try:
        content = json.loads(storage.read(LOCK_NAME))
        return {key: str(content[key]) for key in ("owner", "token", "beats")}
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return None
