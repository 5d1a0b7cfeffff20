"""What only the asyncio client does; requests and responses are shared with the other."""

from __future__ import annotations

import asyncio

import pytest
from grpc import StatusCode

from ssa_client import (
    AsyncSsaClient,
    InvalidRequestError,
    RequestTimeoutError,
    _retry,
)
from tests.unit.client.conftest import MASKS
from tests.unit.client.fake_triton import FakeTriton


async def test_many_requests_at_once(triton: FakeTriton, jpeg: bytes) -> None:
    async with AsyncSsaClient(triton.url) as client:
        assert await client.is_ready()
        results = await asyncio.gather(*(client.segment(jpeg, branch=True) for _ in range(5)))
    assert [len(result.masks) for result in results] == [len(MASKS)] * 5
    assert all(result.branch_map is not None for result in results)
    assert triton.images == [jpeg] * 5


async def test_cancelling_the_task_cancels_the_request(triton: FakeTriton, jpeg: bytes) -> None:
    triton.script = [30.0]
    async with AsyncSsaClient(triton.url) as client:
        task = asyncio.create_task(client.segment(jpeg))
        assert await asyncio.to_thread(triton.arrived.wait, 5)
        assert not triton.cancelled.is_set()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await asyncio.to_thread(triton.cancelled.wait, 5)
        # The connection outlives it.
        assert len((await client.segment(jpeg)).masks) == len(MASKS)


async def test_a_timeout_ends_the_work_on_the_server_too(triton: FakeTriton, jpeg: bytes) -> None:
    triton.script = [30.0]
    async with AsyncSsaClient(triton.url, timeout_s=0.3) as client:
        with pytest.raises(RequestTimeoutError):
            await client.segment(jpeg)
        assert await asyncio.to_thread(triton.cancelled.wait, 5)


async def test_retries_as_the_other_client_does(
    triton: FakeTriton, jpeg: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_retry, "FIRST_WAIT_S", 0.02)
    triton.script = [(StatusCode.UNAVAILABLE, "full"), (StatusCode.INVALID_ARGUMENT, "too wide")]
    async with AsyncSsaClient(triton.url) as client:
        with pytest.raises(InvalidRequestError, match="too wide"):
            await client.segment(jpeg)
        assert len(triton.requests) == 2
        assert len((await client.segment(jpeg)).masks) == len(MASKS)


def test_a_client_may_be_made_before_the_event_loop(triton: FakeTriton, jpeg: bytes) -> None:
    client = AsyncSsaClient(triton.url)

    async def use() -> int:
        async with client:
            return len((await client.segment(jpeg)).masks)

    assert asyncio.run(use()) == len(MASKS)
    # Closed and used again, in another loop.
    assert asyncio.run(use()) == len(MASKS)
