"""All images of a job, several at a time."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import count

from ssa_client.exceptions import (
    ModelNotFoundError,
    RequestCancelledError,
    RequestTimeoutError,
    ServerError,
    ServerUnavailableError,
    SsaError,
)
from ssa_client.jobs.errors import JobError
from ssa_client.jobs.lanes import Lane
from ssa_client.jobs.ledger import Ledger
from ssa_client.jobs.sources import Source
from ssa_client.jobs.work import JobImage, Result, read_image, write_result

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
class Runner:
    """Does what is missing of a job; each of `lanes` is asked `concurrency` images at once.

    What is held in memory is the images under way, one block of names, and the failures.
    """

    source: Source
    ledger: Ledger
    lanes: Sequence[Lane]
    given_masks: bool = False
    concurrency: int = 4
    on_progress: Callable[[], None] = lambda: None

    def __post_init__(self) -> None:
        self._reading = asyncio.Lock()
        self._counting = threading.Lock()
        self._block: deque[str] = deque()

    async def run(self) -> None:
        """Work until every image is done or failed.

        Cancelling it is safe: what is being written then is written whole and counted.

        Raises:
            JobError: why the job ended before.
            ModelNotFoundError: the server does not serve the job's model any more.
        """
        await asyncio.to_thread(self.ledger.settle)
        await asyncio.gather(*(self._serve(lane) for lane in self.lanes))
        await asyncio.to_thread(self.ledger.settle)
        if self.ledger.stopped:
            raise self.ledger.stopped

    async def _serve(self, lane: Lane) -> None:
        requests = asyncio.Semaphore(self.concurrency)
        await asyncio.gather(
            *(self._work(lane, requests) for _ in range(self.concurrency + _AHEAD))
        )

    async def _work(self, lane: Lane, requests: asyncio.Semaphore) -> None:
        while (name := await self._next()) is not None:
            try:
                await self._one(name, lane, requests)
            except (JobError, ModelNotFoundError) as error:
                self.ledger.stop(error)
            except SsaError as error:
                self.ledger.fail(name, str(error))
            except Exception as error:
                # A bug that one image shows must not keep a million others from being done.
                self.ledger.fail(name, f"unexpected {type(error).__name__}: {error}")
            self.on_progress()

    async def _one(self, name: str, lane: Lane, requests: asyncio.Semaphore) -> None:
        self.ledger.check(name)
        image = await asyncio.to_thread(read_image, self.source, name, masks=self.given_masks)
        async with requests:
            result = await self._ask(image, lane)
            await lane.server.trusted()
        await asyncio.to_thread(self._write, image, result)

    async def _ask(self, image: JobImage, lane: Lane) -> Result:
        """The server's answer for an image, through its outages."""
        met: Counter[type[SsaError]] = Counter()
        for attempt in count():
            try:
                result = await lane.ask(image)
            except tuple(_TRIES) as error:
                reason = error
            else:
                lane.server.answered()
                return result
            met[type(reason)] += 1
            if met[type(reason)] >= _TRIES[type(reason)]:
                break
            await lane.server.wait_out(reason, attempt)
        if isinstance(reason, ServerUnavailableError):
            times = met[ServerUnavailableError]
            raise ServerError(
                f"the server went away {times} times while it had this image in hand ({reason})"
            )
        raise reason

    def _write(self, image: JobImage, result: Result) -> None:
        folder = self.ledger.folder
        write_result(folder.storage, image, result, picture=folder.pictures)
        # Here, in the thread: it goes on when the job is interrupted.
        with self._counting:
            self.ledger.tally.done += 1
            self.ledger.tally.masks += len(result.masks)

    async def _next(self) -> str | None:
        """The name of the next image to do; None when there is none, or the job is stopped."""
        async with self._reading:
            while not self._block and not self.ledger.stopped:
                try:
                    block = await asyncio.to_thread(self.ledger.next_block)
                except JobError as error:
                    self.ledger.stop(error)
                    break
                if block is None:
                    return None
                self._block.extend(block)
                self.on_progress()
            return None if self.ledger.stopped else self._block.popleft()
