"""A job's server: waited for when it goes away, and refused when it comes back as another."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable
from typing import Protocol

from ssa_client.evaluation.server import describe_server
from ssa_client.exceptions import ModelNotFoundError, SsaError
from ssa_client.jobs.errors import JobDiffersError, ServerGoneError
from ssa_client.jobs.manifest import Manifest, Request

FIRST_WAIT_S = 0.5
LONGEST_WAIT_S = 8.0
# A server that fails again within so long was not back, whatever it said of itself.
_BACK_FOR_S = 5.0


class Readiness(Protocol):
    """What is asked of a client: whether its server answers."""

    url: str

    async def is_ready(self, model: str | None = None) -> bool:
        """See `AsyncSsaClient.is_ready`."""


class JobServer:
    """The server that answers one job, shared by all of the job's workers.

    `notice` is told once of every outage.
    """

    def __init__(
        self,
        client: Readiness,
        request: Request,
        patience_s: float,
        notice: Callable[[str], None],
    ) -> None:
        self.called = "the server"
        self._client = client
        self._request = request
        self._patience_s = patience_s
        self._notice = notice
        self._manifest: Manifest | None = None
        self._down_since: float | None = None
        self._back_at: float | None = None
        self._waiting = 0
        self._verdict: SsaError | None = None
        self._settled = asyncio.Event()
        self._settled.set()

    async def first_manifest(self) -> Manifest:
        """What the job is with this server; a server that is not up yet is waited for.

        Raises:
            ServerGoneError: it did not come in time.
            ModelNotFoundError: it does not serve what the job asks for.
        """
        attempt = 0
        while True:
            try:
                self._manifest = await self._describe()
            except ModelNotFoundError:
                raise
            except SsaError as error:
                await self._pause(attempt, error)
                attempt += 1
            else:
                self._down_since = None
                return self._manifest

    def answered(self) -> None:
        """Note that a request was answered: what follows is another outage."""
        self._down_since = None

    async def wait_out(self, error: SsaError, attempt: int) -> None:
        """Return when the server can be asked again after `error`, and is still the same.

        Args:
            error: what a request met.
            attempt: how often this request was sent before; the wait grows with it.

        Raises:
            ServerGoneError: it did not come back in time.
            JobDiffersError: other models or settings came back.
        """
        if self._back_at and time.monotonic() - self._back_at > _BACK_FOR_S:
            self._down_since = self._back_at = None
        self._waiting += 1
        self._settled.clear()
        try:
            while True:
                await self._pause(attempt, error)
                attempt += 1
                if await self._is_back():
                    self._back_at = time.monotonic()
                    return
        except SsaError as verdict:
            self._verdict = verdict
            raise
        finally:
            self._waiting -= 1
            if not self._waiting or self._verdict:
                self._settled.set()

    async def trusted(self) -> None:
        """Wait until no outage is under way, whose end may be another server's beginning.

        An answer that came meanwhile may be that other server's.

        Raises:
            SsaError: that it is another one, or that none came.
        """
        await self._settled.wait()
        if self._verdict:
            raise self._verdict

    async def _is_back(self) -> bool:
        try:
            if not await self._client.is_ready(self._request.model):
                return False
            now = await self._describe()
        except SsaError:
            return False
        if self._manifest and now != self._manifest:
            lines = "".join(f"\n  {line}" for line in self._manifest.differences(now))
            raise JobDiffersError(f"{self.called} came back as another one:{lines}")
        return True

    async def _describe(self) -> Manifest:
        description = await asyncio.to_thread(
            describe_server, self._client.url, self._request.model
        )
        return Manifest.of(self._request, description)

    async def _pause(self, attempt: int, error: SsaError) -> None:
        now = time.monotonic()
        if self._down_since is None:
            self._down_since = now
            self._notice(f"Waiting for {self.called} ({error}).")
        left_s = self._down_since + self._patience_s - now
        if left_s <= 0:
            raise ServerGoneError(
                f"{self.called} did not answer for {self._patience_s:g} s ({error})."
            ) from error
        wait_s = min(FIRST_WAIT_S * 2.0 ** min(attempt, 10), LONGEST_WAIT_S)
        # From the upper half at random: workers that failed together need not come together.
        await asyncio.sleep(min(wait_s * random.uniform(0.5, 1.0), left_s))
