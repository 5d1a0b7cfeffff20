"""A job on Ray: workers on any number of machines do the images, this process keeps the books.

Names go through Ray Data to a pool of workers, a block of them at a time; what became of them comes
back. Images and results never do: each worker reads and writes them itself. A worker that dies is
replaced, and what it had in hand is done by another.
"""

from __future__ import annotations

import asyncio
import queue
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from ssa_client.exceptions import SsaError
from ssa_client.jobs.errors import JobError
from ssa_client.jobs.folder import JobFolder
from ssa_client.jobs.images import JobImages
from ssa_client.jobs.lanes import common_manifest, open_lanes
from ssa_client.jobs.ledger import Ledger, Tally
from ssa_client.jobs.manifest import Manifest
from ssa_client.jobs.plan import Plan
from ssa_client.jobs.ray_pool import Answer, Pool, RayError
from ssa_client.jobs.storage import Notice

_LOOKS_EVERY_S = 0.5


class RayEngine:
    """See `local_engine.Engine`."""

    def __init__(self, notice: Notice, on_progress: Callable[[], None]) -> None:
        self.tally: Tally | None = None
        self._notice = notice
        self._on_progress = on_progress

    def run(self, plan: Plan, images: JobImages, folder: JobFolder) -> None:
        """See `Engine`."""
        manifest = asyncio.run(self._manifest(plan))
        folder.begin(manifest)
        ledger = Ledger.of(
            images, folder, retry_failed=plan.retry_failed, max_failures=plan.max_failures
        )
        self.tally = ledger.tally
        ledger.settle()
        pool: Pool | None = None
        try:
            while not ledger.stopped and (names := ledger.next_block()) is not None:
                names = [name for name in names if _may_be_done(name, ledger)]
                self._on_progress()
                if names:
                    # Not before there is something to do: it takes seconds.
                    pool = pool or Pool(plan, manifest)
                    self._do(names, ledger, pool)
        except RayError as error:
            raise _gave_up(error) from error
        finally:
            if pool:
                pool.close()
                folder.storage.tidy()  # the workers are gone, and some were perhaps killed
        ledger.settle()
        if ledger.stopped:
            raise ledger.stopped

    async def _manifest(self, plan: Plan) -> Manifest:
        async with open_lanes(plan, self._notice) as lanes:
            return await common_manifest(lanes)

    def _do(self, names: Sequence[str], ledger: Ledger, pool: Pool) -> None:
        with _interrupt_noted() as interrupted:
            self._collect(pool.start(names), ledger, pool, interrupted)
        if interrupted.is_set():
            raise KeyboardInterrupt

    def _collect(
        self,
        answers: queue.Queue[Answer],
        ledger: Ledger,
        pool: Pool,
        interrupted: threading.Event,
    ) -> None:
        """Enter what comes back, until all has: after an interrupt, what was being written."""
        while True:
            if interrupted.is_set():
                pool.stop()
            try:
                answer = answers.get(timeout=_LOOKS_EVERY_S)
            except queue.Empty:
                for text in pool.notices():
                    self._notice(text)
                continue
            if answer is None:
                return
            if isinstance(answer, Exception):
                raise _gave_up(answer) from answer
            ledger.tally.done += answer.done
            ledger.tally.masks += answer.masks
            for name, reason in answer.failed.items():
                ledger.fail(name, reason)
            if answer.stop:
                ledger.stop(answer.stop)
            if ledger.stopped:
                pool.stop()
            self._on_progress()


@contextmanager
def _interrupt_noted() -> Iterator[threading.Event]:
    """The first interrupt sets the event: an exception raised inside of Ray may get lost there.

    SIGTERM is one too where somebody handles it; a signal that is ignored stays so.
    """
    noted = threading.Event()

    def note(*_: object) -> None:
        if noted.is_set():
            raise KeyboardInterrupt
        noted.set()

    if threading.current_thread() is not threading.main_thread():
        yield noted
        return
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    before = {number: handler for number, handler in handlers.items() if callable(handler)}
    for number in before:
        signal.signal(number, note)
    try:
        yield noted
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _may_be_done(name: str, ledger: Ledger) -> bool:
    try:
        ledger.check(name)
    except SsaError as error:
        ledger.fail(name, str(error))
        return False
    return True


def _gave_up(error: Exception) -> JobError:
    """What is wrong, without the traces of all processes that it went through."""
    cause = getattr(error, "cause", None) or error.__cause__ or error
    lines = [line for line in str(cause).splitlines() if line.strip()]
    return JobError(f"Ray gave up: {type(cause).__name__}: {lines[0] if lines else ''}")
