"""One concurrency, measured from both sides: by the client's clock and by the server's counters."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ssa_client.bench.breakdown import Breakdown
from ssa_client.bench.latency import Latency
from ssa_client.bench.load import Ask, Load, Picture, run_load
from ssa_client.bench.statistics import counted_between, read_counters
from ssa_client.evaluation.server import ServerDescription


@dataclass(frozen=True)
class Level:
    """What was measured at one concurrency.

    `latency` is None where no request succeeded, `breakdown` where the server counted none.
    """

    load: Load
    latency: Latency | None
    breakdown: Breakdown | None

    @property
    def transport_ms(self) -> float | None:
        """The mean between client and pipeline: (un)packing, the network, waiting to be taken.

        Never negative, though Triton stops a request's clock only after its answer has left.
        """
        if self.latency is None or self.breakdown is None:
            return None
        return max(0.0, self.latency.mean_ms - self.breakdown.total_ms)

    @property
    def others(self) -> int:
        """Requests of others that the pipeline answered meanwhile; they are in the breakdown."""
        return self.breakdown.requests - len(self.load.latencies_s) if self.breakdown else 0


def measure_level(
    ask: Ask,
    server: ServerDescription,
    pictures: Sequence[Picture],
    concurrency: int,
    requests: int,
    warm_up: int,
    on_done: Callable[[], object] = lambda: None,
) -> Level:
    """Send `warm_up` requests that do not count, then `requests` that do.

    Raises:
        SsaError: the warm-up failed, or the server does not say what it counted.
    """
    warmed = run_load(ask, pictures, concurrency, warm_up)
    if warmed.failures:
        first = warmed.failures[0]
        raise type(first.error)(f"{first.image}: {first.error}") from first.error
    before = read_counters(server.url)
    load = run_load(ask, pictures, concurrency, requests, on_done)
    counted = counted_between(before, read_counters(server.url))
    steps = [name for name in server.backends if name != server.model]
    return Level(
        load=load,
        latency=Latency.of(load.latencies_s) if load.latencies_s else None,
        breakdown=Breakdown.of(server.model, steps, counted),
    )
