"""Latencies in a few figures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

PERCENTILES = (50, 90, 95, 99)


@dataclass(frozen=True)
class Latency:
    """Milliseconds: the mean, and percentile by percent."""

    mean_ms: float
    percentiles_ms: dict[int, float]

    @classmethod
    def of(cls, latencies_s: Sequence[float]) -> Latency:
        """The figures of at least one latency in seconds."""
        ordered_ms = sorted(1000 * latency for latency in latencies_s)
        return cls(
            mean_ms=sum(ordered_ms) / len(ordered_ms),
            percentiles_ms={percent: percentile(ordered_ms, percent) for percent in PERCENTILES},
        )


def percentile(ascending: Sequence[float], percent: int) -> float:
    """The smallest value that at least `percent` % of all do not exceed (the nearest rank).

    It is one that occurred: between the two slowest of few requests there is nothing to know.
    """
    rank = -(-percent * len(ascending) // 100)  # rounded up, without a float that is just above
    return ascending[max(rank, 1) - 1]
