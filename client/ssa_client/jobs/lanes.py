"""The servers of a job, each asked for itself: they must be the same, and may come and go."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from ssa_backend import specs
from ssa_client.client import AsyncSsaClient
from ssa_client.jobs.errors import JobDiffersError
from ssa_client.jobs.manifest import Manifest
from ssa_client.jobs.plan import Plan
from ssa_client.jobs.server import JobServer
from ssa_client.jobs.storage import Notice
from ssa_client.jobs.work import Ask, asking


@dataclass(frozen=True)
class Lane:
    """One server, and what asks it."""

    url: str
    server: JobServer
    ask: Ask


@asynccontextmanager
async def open_lanes(plan: Plan, notice: Notice) -> AsyncIterator[list[Lane]]:
    """A connection to each server of `plan`; requests under way are cancelled at the end."""
    closed_set = plan.request.model == specs.SSA.name
    async with AsyncExitStack() as held:
        lanes = []
        for url in plan.urls:
            # Waiting for a server that went away is the job's own: it looks who comes back.
            client = AsyncSsaClient(url, timeout_s=plan.timeout_s, retries=0)
            await held.enter_async_context(client)
            server = JobServer(client, plan.request, plan.patience_s, notice)
            if len(plan.urls) > 1:
                server.called = f"the server at {url}"
            lanes.append(Lane(url, server, asking(client, plan.request, closed_set=closed_set)))
        yield lanes


async def common_manifest(lanes: Sequence[Lane]) -> Manifest:
    """What the job is with these servers; those that are not up yet are waited for.

    Raises:
        ServerGoneError: one did not come in time.
        ModelNotFoundError: one does not serve what the job asks for.
        JobDiffersError: they are not the same.
    """
    first, *others = [(lane.url, await lane.server.first_manifest()) for lane in lanes]
    for url, manifest in others:
        if manifest != first[1]:
            lines = "".join(f"\n  {line}" for line in first[1].differences(manifest))
            raise JobDiffersError(f"{first[0]} and {url} are not the same:{lines}")
    return first[1]
