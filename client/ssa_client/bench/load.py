"""Requests kept under way by workers, and how long each took."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import cycle, islice

from ssa_client.exceptions import SsaError

Ask = Callable[[bytes], object]  # sends an encoded image and waits for the answer


@dataclass(frozen=True)
class Picture:
    """An encoded image, read before the first request so that no disk is measured."""

    name: str
    data: bytes


@dataclass(frozen=True)
class FailedRequest:
    """A request without a result."""

    image: str
    error: SsaError


@dataclass(frozen=True)
class Load:
    """What became of the requests of one concurrency.

    `latencies_s` are those of the requests that succeeded, in the order in which they ended; an
    answer that could not be parsed is a failure. `duration_s` is from the first to the last of all.
    """

    concurrency: int
    latencies_s: tuple[float, ...]
    failures: tuple[FailedRequest, ...]
    duration_s: float

    @property
    def requests(self) -> int:
        """How many were sent."""
        return len(self.latencies_s) + len(self.failures)

    @property
    def throughput(self) -> float:
        """Requests that succeeded per second.

        Towards the end fewer than `concurrency` are under way: it tells less with more requests.
        """
        return len(self.latencies_s) / self.duration_s


def run_load(
    ask: Ask,
    pictures: Sequence[Picture],
    concurrency: int,
    requests: int,
    on_done: Callable[[], object] = lambda: None,
) -> Load:
    """Send `requests`, the pictures in turn, from `concurrency` workers of one request each.

    A request that fails is noted and not sent again. `on_done` is called after each, by its worker.
    """
    waiting = deque(islice(cycle(pictures), requests))
    latencies_s: list[float] = []
    failures: list[FailedRequest] = []

    def send(picture: Picture) -> None:
        start = time.perf_counter()
        try:
            ask(picture.data)
        except SsaError as error:
            failures.append(FailedRequest(picture.name, error))
        else:
            latencies_s.append(time.perf_counter() - start)
        on_done()

    def take() -> Picture | None:
        try:
            return waiting.popleft()
        except IndexError:
            return None

    def work() -> None:
        try:
            while picture := take():
                send(picture)
        finally:
            # Where a bug ends a worker, the others end with the request they are in.
            waiting.clear()

    start = time.perf_counter()
    with ThreadPoolExecutor(concurrency) as workers:
        try:
            for worker in [workers.submit(work) for _ in range(concurrency)]:
                worker.result()
        finally:
            waiting.clear()  # so do they all after Ctrl-C
    duration_s = time.perf_counter() - start
    return Load(concurrency, tuple(latencies_s), tuple(failures), duration_s)
