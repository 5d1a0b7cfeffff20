"""What a worker of the Ray engine does: some images, with the code of the local engine.

A worker may be killed at any moment and its images be given to another one: those that are done by
then have their files, and are not done again.
"""

from __future__ import annotations

import asyncio
import json
import pickle
import socket
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import ray

from ssa_client.exceptions import ModelNotFoundError
from ssa_client.jobs.addresses import open_storage
from ssa_client.jobs.errors import JobDiffersError, JobError, JobFolderError
from ssa_client.jobs.failures import FailureLog
from ssa_client.jobs.folder import JobFolder
from ssa_client.jobs.lanes import common_manifest, open_lanes
from ssa_client.jobs.ledger import Ledger, Stop, Tally
from ssa_client.jobs.manifest import Manifest
from ssa_client.jobs.names import output_name
from ssa_client.jobs.plan import Plan
from ssa_client.jobs.runner import Runner
from ssa_client.jobs.sources import Source, open_source
from ssa_client.jobs.storage import Storage
from ssa_client.writers import json_name

_LOOKS_EVERY_S = 0.5
# A worker may die by what an image does to it: those that it had in hand are not tried for ever.
_ATTEMPTS = 5


@dataclass
class Outcome:
    """What became of some images; those that are in none of the counts were not tried."""

    done: int = 0
    masks: int = 0
    failed: dict[str, str] = field(default_factory=dict)
    stop: Stop | None = None


class HeldFailures(FailureLog):
    """Failures that the driver will note."""

    def __init__(self) -> None:
        self.reasons = {}

    def add(self, file_name: str, reason: str) -> None:
        """See `FailureLog`."""
        self.reasons[file_name] = reason

    def settle(self, done: Callable[[str], bool]) -> None:
        """See `FailureLog`; there is nothing older here."""


class Board:
    """An actor of its own by which the driver stops the workers, and they tell it things."""

    def __init__(self) -> None:
        self._stopped = False
        self._notices: list[str] = []
        self._attempts: Counter[str] = Counter()

    def begin(self, key: str) -> int:
        """How often the images that `key` stands for were begun, this time among them."""
        self._attempts[key] += 1
        return self._attempts[key]

    def forget(self) -> None:
        """Count attempts anew."""
        self._attempts.clear()

    def stop(self) -> None:
        """Have no more images begun, and those under way given up."""
        self._stopped = True

    def is_stopped(self) -> bool:
        """Whether it is so."""
        return self._stopped

    def notice(self, text: str) -> None:
        """Have the driver tell `text`."""
        self._notices.append(text)

    def take_notices(self) -> list[str]:
        """What is to be told, each once."""
        texts, self._notices = list(dict.fromkeys(self._notices)), []
        return texts


class Worker:
    """Called by Ray Data with a row of pickled names; answers with one of a pickled `Outcome`."""

    def __init__(self, plan: Plan, manifest: Manifest, board: Any) -> None:
        self._plan = plan
        self._manifest = manifest
        self._board = board

    def __call__(self, batch: dict[str, npt.NDArray[np.object_]]) -> dict[str, list[bytes]]:
        """See the class."""
        (names,) = batch["names"]
        return {"outcome": [pickle.dumps(self._outcome(pickle.loads(names)))]}

    def _outcome(self, names: Sequence[str]) -> Outcome:
        if ray.get(self._board.is_stopped.remote()):
            return Outcome()
        outcome, failures, tally = Outcome(), HeldFailures(), Tally(len(names))
        folder = JobFolder(self._out, self._plan.pictures, failures)
        try:
            self._check(folder)
            done = folder.done(names)  # by a worker that did not live to tell
            outcome.done = len(done)
            outcome.masks = sum(_masks_of(folder, name) for name in done)
            rest = [name for name in names if name not in done]
            if ray.get(self._board.begin.remote(names[0])) > _ATTEMPTS:
                failures.reasons |= dict.fromkeys(
                    rest,
                    f"workers died {_ATTEMPTS} times while they had this image in hand, or one of "
                    f"{len(rest) - 1} others.",
                )
                rest = []
            with suppress(asyncio.CancelledError):
                asyncio.run(self._work(Ledger(folder, iter([rest]), tally)))
        except OSError as error:
            outcome.stop = JobFolderError.of(self._plan.out, error)
        except (JobError, ModelNotFoundError) as error:
            outcome.stop = error
        outcome.done += tally.done + tally.done_before
        outcome.masks += tally.masks
        outcome.failed = failures.reasons
        return outcome

    @cached_property
    def _out(self) -> Storage:
        return open_storage(self._plan.out)

    @cached_property
    def _source(self) -> Source:
        return open_source(self._plan.source)

    def _check(self, folder: JobFolder) -> None:
        """Refuse a folder that only has the same name on this machine."""
        if Manifest.read(folder.storage) != self._manifest:
            raise JobFolderError(
                f"{self._plan.out!r} is not the job's folder on {socket.gethostname()}; expected "
                "one that all machines share, or a URL."
            )

    async def _work(self, ledger: Ledger) -> None:
        task = asyncio.current_task()
        assert task is not None
        watching = asyncio.create_task(self._watch(task))
        try:
            async with open_lanes(self._plan, self._notice) as lanes:
                now = await common_manifest(lanes)
                if now != self._manifest:
                    lines = "".join(f"\n  {line}" for line in self._manifest.differences(now))
                    raise JobDiffersError(f"the server came back as another one:{lines}")
                await Runner(
                    self._source,
                    ledger,
                    lanes,
                    given_masks=self._plan.request.masks is not None,
                    concurrency=self._plan.concurrency,
                ).run()
        finally:
            watching.cancel()

    async def _watch(self, working: asyncio.Task[Any]) -> None:
        while not await self._board.is_stopped.remote():
            await asyncio.sleep(_LOOKS_EVERY_S)
        working.cancel()

    def _notice(self, text: str) -> None:
        self._board.notice.remote(text)


def _masks_of(folder: JobFolder, name: str) -> int:
    content = folder.storage.read(json_name(output_name(name)))
    return len(json.loads(content)["annotations"])
