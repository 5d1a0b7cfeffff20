"""A job's folder: what lies there, what is done, and whose job it is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from ssa_client.jobs.errors import JobDiffersError, JobFolderError
from ssa_client.jobs.failures import FailureLog
from ssa_client.jobs.manifest import MANIFEST_NAME, Manifest
from ssa_client.jobs.names import output_name
from ssa_client.jobs.storage import Notice, Storage
from ssa_client.writers import is_result, json_name, picture_name


@dataclass(frozen=True)
class JobFolder:
    """A folder that this process alone works on; `open_folder` makes one."""

    storage: Storage
    pictures: bool
    failures: FailureLog

    def done(self, names: Sequence[str]) -> set[str]:
        """Those of the images called `names` whose files are all there.

        Raises:
            OSError: whether they are cannot be found out.
        """
        there = self.storage.existing({json_name(output_name(name)) for name in names})
        done = {name for name in names if json_name(output_name(name)) in there}
        if self.pictures:
            there = self.storage.existing({picture_name(output_name(name)) for name in done})
            done = {name for name in done if picture_name(output_name(name)) in there}
        return done

    def begin(self, manifest: Manifest) -> None:
        """Make this folder that job's, or go on with it.

        Raises:
            JobDiffersError: there are results of another job, or of none that is known.
            JobFolderError: the folder cannot be read or written.
        """
        with _explained(self.storage):
            before = Manifest.read(self.storage)
            if before == manifest:
                return
            if self._has_results():
                raise JobDiffersError(_refusal(self.storage, before, manifest))
            # A job that got nowhere, such as one with a mistyped setting, is in nobody's way.
            self.failures.settle(lambda _: True)
            manifest.write(self.storage)

    def _has_results(self) -> bool:
        return any(map(is_result, self.storage.names()))


@contextmanager
def open_folder(
    storage: Storage, *, pictures: bool, notice: Notice = lambda _text: None
) -> Iterator[JobFolder]:
    """Take hold of a job's folder, made if need be, and clear away what a killed run left.

    Raises:
        JobRunningError: another process works on it.
        JobFolderError: it cannot be read or written.
    """
    with ExitStack() as held:
        with _explained(storage):
            held.enter_context(storage.hold(notice))
            failures = FailureLog(storage)
        yield JobFolder(storage, pictures, failures)


@contextmanager
def _explained(folder: Storage) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise JobFolderError.of(folder, error) from error


def _refusal(folder: Storage, before: Manifest | None, now: Manifest) -> str:
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
