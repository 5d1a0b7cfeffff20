"""How long a job waits for its server, and when it starts to count anew."""

from __future__ import annotations

import asyncio

import pytest

from ssa_client import AsyncSsaClient, ServerUnavailableError
from ssa_client.jobs import server
from ssa_client.jobs.errors import ServerGoneError
from ssa_client.jobs.manifest import Request
from ssa_client.jobs.server import JobServer
from tests.unit.client.fake_triton import FakeTriton

REQUEST = Request(images="/photos", model="ssa_engine")
ERROR = ServerUnavailableError("stopping")
PATIENCE_S = 1.0


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "FIRST_WAIT_S", 0.01)


@pytest.mark.parametrize("worked_for_long", [True, False])
async def test_a_server_that_refuses_at_once_was_not_back(
    engine: FakeTriton, monkeypatch: pytest.MonkeyPatch, worked_for_long: bool
) -> None:
    if worked_for_long:
        monkeypatch.setattr(server, "_BACK_FOR_S", PATIENCE_S)
    notices: list[str] = []
    async with AsyncSsaClient(engine.url, retries=0) as client:
        job = JobServer(client, REQUEST, PATIENCE_S, notices.append)
        await job.first_manifest()
        await job.wait_out(ERROR, 0)
        await asyncio.sleep(1.2 * PATIENCE_S)
        if worked_for_long:
            await job.wait_out(ERROR, 0)
        else:
            with pytest.raises(ServerGoneError, match=r"did not answer for 1 s \(stopping\)"):
                await job.wait_out(ERROR, 0)
            with pytest.raises(ServerGoneError):
                await job.trusted()
    assert notices == ["Waiting for the server (stopping)."] * (1 + worked_for_long)


async def test_an_answer_ends_an_outage(engine: FakeTriton) -> None:
    notices: list[str] = []
    async with AsyncSsaClient(engine.url, retries=0) as client:
        job = JobServer(client, REQUEST, PATIENCE_S, notices.append)
        await job.first_manifest()
        for _ in range(3):
            await job.wait_out(ERROR, 0)
            await job.trusted()
            job.answered()
    assert len(notices) == 3
