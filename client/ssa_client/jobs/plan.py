"""One run of a job, as it was asked for; it travels to wherever the work is done."""

from __future__ import annotations

from dataclasses import dataclass

from ssa_client.jobs.manifest import Request


@dataclass(frozen=True)
class Plan:
    """What to do, for whom to ask, and where it goes.

    `source` and `out` are absolute paths or URLs. Each of `urls` is asked `concurrency` images at
    once. `workers` and `ray_address` are for Ray alone.
    """

    source: str
    out: str
    request: Request
    urls: tuple[str, ...]
    pictures: bool = False
    timeout_s: float = 300.0
    patience_s: float = 120.0
    concurrency: int = 4
    retry_failed: bool = False
    max_failures: int | None = None
    workers: int = 2
    ray_address: str | None = None
