"""What of a job is to do, and what became of it, whoever does it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from ssa_client.exceptions import ModelNotFoundError, SsaError
from ssa_client.jobs.errors import JobError, JobFolderError, TooManyFailures
from ssa_client.jobs.folder import JobFolder
from ssa_client.jobs.images import JobImages

Stop: TypeAlias = JobError | ModelNotFoundError


@dataclass
class Tally:
    """What became of a job's images so far."""

    total: int
    done: int = 0
    masks: int = 0
    done_before: int = 0
    failed: dict[str, str] = field(default_factory=dict)  # in this run: reasons by name
    failed_before: dict[str, str] = field(default_factory=dict)

    @property
    def settled(self) -> int:
        """Images that this run has no more to do for."""
        return self.done + self.done_before + len(self.failed) + len(self.failed_before)

    @property
    def left(self) -> int:
        """Images that were not tried."""
        return max(0, self.total - self.settled)


@dataclass
class Ledger:
    """Hands out the images to do a block at a time, and notes what failed.

    `stopped` is why nothing more is to be begun.
    """

    folder: JobFolder
    blocks: Iterator[list[str]]
    tally: Tally
    shadowed: Mapping[str, str] = field(default_factory=dict)
    retry_failed: bool = False
    max_failures: int | None = None
    stopped: Stop | None = None
    _read_all: bool = False

    @classmethod
    def of(cls, images: JobImages, folder: JobFolder, **options: bool | int | None) -> Ledger:
        """The ledger of a whole job; `options` are those of the same names."""
        tally = Tally(images.count)
        return cls(folder, images.blocks(), tally, images.shadowed, **options)  # type: ignore[arg-type]

    def next_block(self) -> list[str] | None:
        """Those of the next block of names that are to do; None where there is no block.

        Raises:
            JobError: the images, or what is done of them, cannot be found out.
        """
        try:
            names = next(self.blocks, None)
        except OSError as error:
            raise JobError(f"cannot read the images: {error}.") from error
        if names is None:
            self._read_all = True
            return None
        try:
            done = self._done(names)
        except OSError as error:
            raise JobFolderError.of(self.folder.storage, error) from error
        return [name for name in names if self._is_to_do(name, name in done)]

    def check(self, name: str) -> None:
        """Refuse an image whose outputs would take another's place.

        Raises:
            SsaError: which one.
        """
        if owner := self.shadowed.get(name):
            raise SsaError(f"its output would overwrite that of {owner!r}; give it another --out.")

    def fail(self, name: str, reason: str) -> None:
        """Note why an image cannot be done."""
        try:
            self.folder.failures.add(name, reason)
        except OSError as error:
            self.stop(JobFolderError.of(self.folder.storage, error))
            return
        failed = self.tally.failed
        failed[name] = reason
        if self.max_failures is not None and len(failed) >= self.max_failures:
            self.stop(
                TooManyFailures(f"{len(failed)} images failed, as many as --max-failures allows.")
            )

    def stop(self, why: Stop) -> None:
        """Begin nothing more; the first reason counts."""
        self.stopped = self.stopped or why

    def settle(self) -> None:
        """Leave those out of the failures that are none by now; also ends a line that is torn.

        Raises:
            JobFolderError: they cannot be read or written.
        """
        failures = self.folder.failures
        try:
            if self._read_all and self.retry_failed and not self.stopped:
                # Everything was tried again: what did not fail is done, or is there no more.
                settled = failures.reasons.keys() - self.tally.failed.keys()
            else:
                settled = self._done(list(failures.reasons))
            failures.settle(settled.__contains__)
        except OSError as error:
            raise JobFolderError.of(self.folder.storage, error) from error

    def _is_to_do(self, name: str, is_done: bool) -> bool:
        if is_done:
            self.tally.done_before += 1
        elif name in self.folder.failures.reasons and not self.retry_failed:
            self.tally.failed_before[name] = self.folder.failures.reasons[name]
        else:
            return True
        return False

    def _done(self, names: Sequence[str]) -> set[str]:
        # What lies under the name of a shadowed image is another's.
        return self.folder.done([name for name in names if name not in self.shadowed])
