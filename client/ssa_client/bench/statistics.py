"""What Triton counts of every model."""

from __future__ import annotations

import time
from dataclasses import astuple, dataclass
from typing import Any

import tritonclient.grpc
from tritonclient.utils import InferenceServerException

from ssa_client.exceptions import ServerError, from_triton

_TIMEOUT_S = 30.0
# A model counts a request just after it answered it.
_PAUSE_S = 0.05
_READINGS = 20


@dataclass(frozen=True)
class Counters:
    """What one model counted: calls that succeeded and the time they took in all, nanoseconds.

    `executions` are fewer than `calls` where Triton made one batch of several. All calls of a batch
    are each counted the whole time of it.
    """

    calls: int = 0
    executions: int = 0
    total_ns: int = 0
    queue_ns: int = 0
    compute_input_ns: int = 0
    compute_infer_ns: int = 0
    compute_output_ns: int = 0

    @classmethod
    def of(cls, statistics: Any) -> Counters:
        """Those of a `ModelStatistics` message."""
        its = statistics.inference_stats
        return cls(
            calls=its.success.count,
            executions=statistics.execution_count,
            total_ns=its.success.ns,
            queue_ns=its.queue.ns,
            compute_input_ns=its.compute_input.ns,
            compute_infer_ns=its.compute_infer.ns,
            compute_output_ns=its.compute_output.ns,
        )

    def __add__(self, other: Counters) -> Counters:
        return Counters(*(a + b for a, b in zip(astuple(self), astuple(other), strict=True)))

    def __sub__(self, other: Counters) -> Counters:
        return Counters(*(a - b for a, b in zip(astuple(self), astuple(other), strict=True)))


def read_counters(url: str) -> dict[str, Counters]:
    """The counters of every model at `url` (host:port of its gRPC), as soon as they stand still.

    Where others use the server they never do, and are taken as they are after a second.

    Raises:
        SsaError: nobody answers, or the server keeps no statistics; see `ssa_client.exceptions`.
    """
    client = tritonclient.grpc.InferenceServerClient(url)
    try:
        counters = _read(client)
        for _ in range(_READINGS):
            time.sleep(_PAUSE_S)
            before, counters = counters, _read(client)
            if counters == before:
                break
    except InferenceServerException as error:
        raise from_triton(error) from error
    finally:
        client.close()
    return counters


def _read(client: tritonclient.grpc.InferenceServerClient) -> dict[str, Counters]:
    counters: dict[str, Counters] = {}
    for statistics in client.get_inference_statistics(client_timeout=_TIMEOUT_S).model_stats:
        # A model has statistics of its own for each version.
        one = Counters.of(statistics)
        counters[statistics.name] = counters.get(statistics.name, Counters()) + one
    return counters


def counted_between(before: dict[str, Counters], after: dict[str, Counters]) -> dict[str, Counters]:
    """What each model counted from one reading to the other.

    Raises:
        ServerError: a counter went back, because the server or the model was started again.
    """
    none = Counters()
    counted = {name: after.get(name, none) - before.get(name, none) for name in {**before, **after}}
    for name, its in counted.items():
        if min(astuple(its)) < 0:
            raise ServerError(
                f"the statistics of {name!r} began anew while it was measured: the server, or the "
                "model, was started again."
            )
    return counted
