"""One process at a time on a job's folder."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ssa_client.jobs.errors import JobRunningError

LOCK_NAME = "_job.lock"


@contextmanager
def folder_lock(folder: Path) -> Iterator[None]:
    """Hold `folder` for this process.

    The system lets go of the lock when the process ends, however it ends. The file stays: removing
    it would let two processes lock two files of one name.

    Raises:
        JobRunningError: another process holds it.
        OSError: the file cannot be written, or its file system has no locks.
    """
    try:
        import fcntl  # here, so that the `ssa` command's other parts start where there is none
    except ImportError as error:
        raise OSError(errno.ENOSYS, "this system has no POSIX file locks") from error
    descriptor = os.open(folder / LOCK_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno not in (errno.EWOULDBLOCK, errno.EACCES):
                raise
            raise JobRunningError(_who(folder, descriptor)) from None
        # For the message of whoever comes second; the lock itself is the system's.
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"process {os.getpid()} on {socket.gethostname()}\n".encode(), 0)
        yield
    finally:
        os.close(descriptor)


def _who(folder: Path, descriptor: int) -> str:
    owner = os.pread(descriptor, 300, 0).decode("utf-8", "replace").strip() or "another process"
    return f"a job is at work in {str(folder)!r} ({owner}); wait for it, or name another --out."
