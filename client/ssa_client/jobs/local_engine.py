"""A job in this process: the engine that needs nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

from ssa_client.jobs.folder import JobFolder
from ssa_client.jobs.images import JobImages
from ssa_client.jobs.lanes import common_manifest, open_lanes
from ssa_client.jobs.ledger import Ledger, Tally
from ssa_client.jobs.plan import Plan
from ssa_client.jobs.runner import Runner
from ssa_client.jobs.storage import Notice


class Engine(Protocol):
    """Does a job; `LocalEngine` and `RayEngine`."""

    tally: Tally | None  # None until it is known that the job may go on

    def run(self, plan: Plan, images: JobImages, folder: JobFolder) -> None:
        """Do what is missing.

        Raises:
            SsaError: what ended it before.
            KeyboardInterrupt: Ctrl-C; requests under way are cancelled on the server too.
        """


class LocalEngine:
    """See `Engine`."""

    def __init__(self, notice: Notice, on_progress: Callable[[], None]) -> None:
        self.tally: Tally | None = None
        self._notice = notice
        self._on_progress = on_progress

    def run(self, plan: Plan, images: JobImages, folder: JobFolder) -> None:
        """See `Engine`."""
        asyncio.run(self._run(plan, images, folder))

    async def _run(self, plan: Plan, images: JobImages, folder: JobFolder) -> None:
        async with open_lanes(plan, self._notice) as lanes:
            folder.begin(await common_manifest(lanes))
            ledger = Ledger.of(
                images, folder, retry_failed=plan.retry_failed, max_failures=plan.max_failures
            )
            self.tally = ledger.tally
            await Runner(
                images.source,
                ledger,
                lanes,
                given_masks=plan.request.masks is not None,
                concurrency=plan.concurrency,
                on_progress=self._on_progress,
            ).run()
