"""All images of a job, several at a time."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count

from ssa_client.exceptions import (
    ModelNotFoundError,
    RequestCancelledError,
    RequestTimeoutError,
    ServerError,
    ServerUnavailableError,
    SsaError,
)
from ssa_client.jobs.errors import JobError, JobFolderError, TooManyFailures
from ssa_client.jobs.folder import JobFolder
from ssa_client.jobs.images import JobImages
from ssa_client.jobs.server import JobServer
from ssa_client.jobs.work import Ask, JobImage, Result, read_image, write_result

# While so many requests are under way, so many images more are read or written, so that the server
# never waits for a disk.
_AHEAD = 2
# How often an image may meet each of these before it is blamed. A dying server answers with any of
# them, the first few seconds with errors of its own; one that has gone is no image's fault, unless
# it goes every time that it has this image in hand.
_TRIES: dict[type[SsaError], int] = {
    ServerUnavailableError: 10,
    ServerError: 4,
    RequestCancelledError: 4,
    RequestTimeoutError: 2,
}


@dataclass
class Tally:
    """What became of a job's images so far."""

    total: int
    done: int = 0
    masks: int = 0
    done_before: int = 0
    failed: dict[str, str] = field(default_factory=dict)  # in this run: reasons by file name
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
class Runner:
    """Does what is missing of a job.

    What is held in memory is the images under way, one block of names, and the failures.
    """

    images: JobImages
    folder: JobFolder
    ask: Ask
    server: JobServer
    given_masks: bool = False
    concurrency: int = 4
    retry_failed: bool = False
    max_failures: int | None = None
    on_progress: Callable[[], None] = lambda: None
    tally: Tally = field(init=False)

    def __post_init__(self) -> None:
        self.tally = Tally(self.images.count)
        self._requests = asyncio.Semaphore(self.concurrency)
        self._reading = asyncio.Lock()
        self._counting = threading.Lock()
        self._blocks: Iterator[list[str]] = self.images.blocks()
        self._block: deque[str] = deque()
        self._blocks_done = False
        self._stopped: JobError | ModelNotFoundError | None = None

    async def run(self) -> None:
        """Work until every image is done or failed.

        Cancelling it is safe: what is being written then is written whole and counted.

        Raises:
            JobError: why the job ended before.
            ModelNotFoundError: the server does not serve the job's model any more.
        """
        try:
            # Also ends a line that a crash tore, before another is appended.
            await asyncio.to_thread(self._settle)
            await asyncio.gather(*(self._work() for _ in range(self.concurrency + _AHEAD)))
            await asyncio.to_thread(self._settle)
        except OSError as error:
            raise JobFolderError.of(self.folder.storage, error) from error
        if self._stopped:
            raise self._stopped

    async def _work(self) -> None:
        while (name := await self._next()) is not None:
            try:
                await self._one(name)
            except (JobError, ModelNotFoundError) as error:
                self._stopped = self._stopped or error
            except SsaError as error:
                self._fail(name, str(error))
            except Exception as error:
                # A bug that one image shows must not keep a million others from being done.
                self._fail(name, f"unexpected {type(error).__name__}: {error}")
            self.on_progress()

    async def _one(self, name: str) -> None:
        if owner := self.images.shadowed.get(name):
            raise SsaError(f"its output would overwrite that of {owner!r}; give it another --out.")
        image = await asyncio.to_thread(
            read_image, self.images.source, name, masks=self.given_masks
        )
        async with self._requests:
            result = await self._ask(image)
            await self.server.trusted()
        await asyncio.to_thread(self._write, image, result)

    async def _ask(self, image: JobImage) -> Result:
        """The server's answer for an image, through its outages."""
        met: Counter[type[SsaError]] = Counter()
        for attempt in count():
            try:
                result = await self.ask(image)
            except tuple(_TRIES) as error:
                reason = error
            else:
                self.server.answered()
                return result
            met[type(reason)] += 1
            if met[type(reason)] >= _TRIES[type(reason)]:
                break
            await self.server.wait_out(reason, attempt)
        if isinstance(reason, ServerUnavailableError):
            times = met[ServerUnavailableError]
            raise ServerError(
                f"the server went away {times} times while it had this image in hand ({reason})"
            )
        raise reason

    def _write(self, image: JobImage, result: Result) -> None:
        write_result(self.folder.storage, image, result, picture=self.folder.pictures)
        # Here, in the thread: it goes on when the job is interrupted.
        with self._counting:
            self.tally.done += 1
            self.tally.masks += len(result.masks)

    def _fail(self, name: str, reason: str) -> None:
        try:
            self.folder.failures.add(name, reason)
        except OSError as error:
            self._stopped = self._stopped or JobFolderError.of(self.folder.storage, error)
            return
        self.tally.failed[name] = reason
        if self.max_failures is not None and len(self.tally.failed) >= self.max_failures:
            self._stopped = self._stopped or TooManyFailures(
                f"{len(self.tally.failed)} images failed, as many as --max-failures allows."
            )

    async def _next(self) -> str | None:
        """The name of the next image to do; None when there is none, or the job is stopped."""
        async with self._reading:
            while not self._block and not self._stopped:
                try:
                    block = await asyncio.to_thread(self._next_block)
                except JobError as error:
                    self._stopped = error
                    break
                except OSError as error:
                    self._stopped = JobFolderError.of(self.folder.storage, error)
                    break
                if block is None:
                    self._blocks_done = True
                    return None
                self._block.extend(block)
                self.on_progress()
            return None if self._stopped else self._block.popleft()

    def _next_block(self) -> list[str] | None:
        """Those of the next block of names that are to do."""
        try:
            names = next(self._blocks, None)
        except OSError as error:
            raise JobError(f"cannot read the images: {error}.") from error
        if names is None:
            return None
        done = self._done(names)
        return [name for name in names if self._is_to_do(name, name in done)]

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
        return self.folder.done([name for name in names if name not in self.images.shadowed])

    def _settle(self) -> None:
        """Leave those out of the failures that are none by now."""
        failures = self.folder.failures
        if self._blocks_done and self.retry_failed and not self._stopped:
            # Everything was tried again: what did not fail is done, or is there no more.
            settled = failures.reasons.keys() - self.tally.failed.keys()
        else:
            settled = self._done(list(failures.reasons))
        failures.settle(settled.__contains__)
