"""Where a request's time goes on the server, model by model."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ssa_backend import specs
from ssa_client.bench.statistics import Counters

_NS_PER_MS = 1e6


@dataclass(frozen=True)
class ModelTime:
    """One model's share in a request of the pipeline: calls, executions, and milliseconds.

    What `called_by` names, a Python step, calls the model itself: the time is inside that step's
    `compute_infer_ms`, or beside it where the step goes on meanwhile. `total_ms` is what a call
    takes as the server sees it, times `calls`.
    """

    model: str
    called_by: str | None
    calls: float
    executions: float
    total_ms: float
    queue_ms: float
    compute_input_ms: float
    compute_infer_ms: float
    compute_output_ms: float


@dataclass(frozen=True)
class Breakdown:
    """Means over the `requests` that a pipeline answered, whoever sent them.

    `total_ms` is the pipeline's own time for one. Steps may run side by side, so theirs may add up
    to more. `models` are the steps, the longest first, each followed by the models it calls.
    """

    requests: int
    total_ms: float
    models: tuple[ModelTime, ...]

    @classmethod
    def of(
        cls, pipeline: str, steps: Iterable[str], counted: Mapping[str, Counters]
    ) -> Breakdown | None:
        """From what each model counted; None where the pipeline answered nothing."""
        requests = counted.get(pipeline, Counters()).calls
        if not requests:
            return None
        steps = list(steps)
        models: list[ModelTime] = []
        for step in _longest_first(_share(name, None, counted, requests) for name in steps):
            called = sorted(_CALLS.get(step.model, set()) - set(steps))
            shares = (_share(name, step.model, counted, requests) for name in called)
            models += [step, *_longest_first(shares)]
        total_ms = counted[pipeline].total_ns / requests / _NS_PER_MS
        return cls(requests, total_ms, tuple(models))


# Which models a Python step calls is nowhere in the server's configuration.
_CALLS = {
    model.name: {called.name for called in model.calls}
    for ensemble in specs.ENSEMBLES
    for model in ensemble.models
}


def _longest_first(shares: Iterable[ModelTime]) -> list[ModelTime]:
    return sorted(shares, key=lambda share: -share.total_ms)


def _share(
    model: str, called_by: str | None, counted: Mapping[str, Counters], requests: int
) -> ModelTime:
    its = counted.get(model, Counters())

    def per_request_ms(nanoseconds: int) -> float:
        return nanoseconds / requests / _NS_PER_MS

    return ModelTime(
        model=model,
        called_by=called_by,
        calls=its.calls / requests,
        executions=its.executions / requests,
        total_ms=per_request_ms(its.total_ns),
        queue_ms=per_request_ms(its.queue_ns),
        compute_input_ms=per_request_ms(its.compute_input_ns),
        compute_infer_ms=per_request_ms(its.compute_infer_ns),
        compute_output_ms=per_request_ms(its.compute_output_ns),
    )
