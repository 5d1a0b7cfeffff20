"""A job's folder: what lies there, what is done, and whose job it is."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from ssa_client.jobs.errors import JobDiffersError, JobFolderError
from ssa_client.jobs.failures import FAILURES_NAME, FailureLog
from ssa_client.jobs.images import output_name
from ssa_client.jobs.lock import folder_lock
from ssa_client.jobs.manifest import MANIFEST_NAME, Manifest
from ssa_client.writers import is_result, is_temporary, json_path, picture_path


@dataclass(frozen=True)
class JobFolder:
    """A folder that this process alone works on; `open_folder` makes one."""

    path: Path
    pictures: bool
    failures: FailureLog

    def is_done(self, file_name: str) -> bool:
        """Whether all files of the image called `file_name` are there."""
        name = output_name(file_name)
        return _exists(json_path(self.path, name)) and (
            not self.pictures or _exists(picture_path(self.path, name))
        )

    def begin(self, manifest: Manifest) -> None:
        """Make this folder that job's, or go on with it.

        Raises:
            JobDiffersError: there are results of another job, or of none that is known.
            JobFolderError: the folder cannot be read or written.
        """
        path = self.path / MANIFEST_NAME
        with _explained(self.path):
            before = Manifest.read(path)
            if before == manifest:
                return
            if self._has_results():
                raise JobDiffersError(_refusal(self.path, before, manifest))
            # A job that got nowhere, such as one with a mistyped setting, is in nobody's way.
            self.failures.settle(lambda _: True)
            manifest.write(path)

    def _has_results(self) -> bool:
        with os.scandir(self.path) as entries:
            return any(is_result(entry.name) for entry in entries)


@contextmanager
def open_folder(path: Path, *, pictures: bool) -> Iterator[JobFolder]:
    """Take hold of a job's folder, made if need be, and clear away what a killed run left.

    Raises:
        JobRunningError: another process works on it.
        JobFolderError: it cannot be read or written.
    """
    with ExitStack() as held:
        with _explained(path):
            path.mkdir(parents=True, exist_ok=True)
            held.enter_context(folder_lock(path))
            _remove_temporaries(path)
            failures = FailureLog(path / FAILURES_NAME)
        yield JobFolder(path, pictures, failures)


def _exists(path: Path) -> bool:
    try:
        path.stat()
    except OSError:  # a name too long for the file system is one of the reasons
        return False
    return True


def _remove_temporaries(folder: Path) -> None:
    with os.scandir(folder) as entries:
        for entry in entries:
            if is_temporary(entry.name):
                Path(entry.path).unlink(missing_ok=True)


@contextmanager
def _explained(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise JobFolderError.of(folder, error) from error


def _refusal(folder: Path, before: Manifest | None, now: Manifest) -> str:
    if before is None:
        return (
            f"{str(folder)!r} has results, but no {MANIFEST_NAME} that says what they were made "
            "with; name another --out, or remove them."
        )
    lines = "".join(f"\n  {difference}" for difference in before.differences(now))
    moved = ""
    if before.request.get("images") != now.request.get("images"):
        moved = f" If the images only moved, correct 'images' in {MANIFEST_NAME}."
    return (
        f"{str(folder)!r} holds another job's results:{lines}\n"
        f"Name another --out, or remove the folder to start anew.{moved}"
    )
