"""Statuses become exceptions, and only what can pass is tried again."""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest
from grpc import StatusCode

from ssa_client import (
    InvalidRequestError,
    ModelNotFoundError,
    RequestCancelledError,
    RequestTimeoutError,
    ServerError,
    ServerUnavailableError,
    SsaClient,
    SsaError,
    _retry,
)
from tests.unit.client.fake_triton import FakeTriton, Tensors, serving


@pytest.fixture(autouse=True)
def _short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_retry, "FIRST_WAIT_S", 0.02)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def slow_way(url: str, seconds: float) -> Iterator[str]:
    """An address that leads one connection to `url`, whose greeting takes so long to come back."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(10)

        def lead() -> None:
            near, _ = listening.accept()
            host, port = url.split(":")
            with near, socket.create_connection((host, int(port))) as far:
                there = threading.Thread(target=pass_on, args=(near, far))
                there.start()
                time.sleep(seconds)
                pass_on(far, near)
                there.join()

        leading = threading.Thread(target=lead)
        leading.start()
        yield f"127.0.0.1:{listening.getsockname()[1]}"
        leading.join()


def pass_on(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(1 << 16):
            target.sendall(data)
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)


@pytest.mark.parametrize(
    ("status", "kind", "message"),
    [
        (StatusCode.INVALID_ARGUMENT, InvalidRequestError, "IMAGE is empty; expected one."),
        (StatusCode.NOT_FOUND, ModelNotFoundError, "Request for unknown model: 'ssa' is not found"),
        (StatusCode.DEADLINE_EXCEEDED, RequestTimeoutError, "no answer within 60 s. Too slow"),
        (StatusCode.CANCELLED, RequestCancelledError, "request was cancelled"),
        (StatusCode.INTERNAL, ServerError, "the model failed [INTERNAL]"),
        (StatusCode.RESOURCE_EXHAUSTED, ServerError, "out of memory [RESOURCE_EXHAUSTED]"),
    ],
)
def test_a_status_becomes_its_exception_at_once(
    triton: FakeTriton, jpeg: bytes, status: StatusCode, kind: type[SsaError], message: str
) -> None:
    from_server = message.split(" [")[0].removeprefix("no answer within 60 s. ")
    triton.script = [(status, from_server)] * 3
    with SsaClient(triton.url) as client, pytest.raises(SsaError) as caught:
        client.segment(jpeg)
    assert type(caught.value) is kind
    assert str(caught.value) == message
    assert len(triton.requests) == 1


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (StatusCode.UNAVAILABLE, "unloading"),
        # What Triton answers for a Python stub that it could not reach for a second.
        (StatusCode.INTERNAL, "in ensemble 'ssa', Stub process 'voting_0_0' is not healthy."),
    ],
)
def test_an_unavailable_server_is_asked_again(
    triton: FakeTriton, jpeg: bytes, status: StatusCode, message: str
) -> None:
    triton.script = [(status, message)] * 2
    with SsaClient(triton.url, retries=2) as client:
        result = client.segment(jpeg)
    assert len(result.masks) == 3
    assert len(triton.requests) == 3


def test_retries_are_bounded(triton: FakeTriton, jpeg: bytes) -> None:
    triton.script = [(StatusCode.UNAVAILABLE, "unloading")] * 9
    with (
        SsaClient(triton.url, retries=1) as client,
        pytest.raises(ServerUnavailableError, match="unloading"),
    ):
        client.segment(jpeg)
    assert len(triton.requests) == 2


def test_waits_double_within_bounds_and_never_pass_the_deadline(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(_retry, "FIRST_WAIT_S", 1.0)
    error = ServerUnavailableError("full")
    attempts = _retry.Attempts(retries=6, timeout_s=1000.0)
    waits = [attempts.wait_s(error) for _ in range(6)]
    for wait_s, longest in zip(waits, [1.0, 2.0, 4.0, 8.0, 8.0, 8.0], strict=True):
        assert longest / 2 <= wait_s <= longest
    assert len(set(waits)) == 6  # jitter
    with pytest.raises(ServerUnavailableError):
        attempts.wait_s(error)
    with pytest.raises(ServerUnavailableError):
        _retry.Attempts(retries=6, timeout_s=0.4).wait_s(error)


def test_a_server_that_comes_back_is_found_within_a_second(
    tensors: Tensors, jpeg: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The retries' waits are of no use while gRPC itself puts off connecting again."""
    monkeypatch.setattr(_retry, "FIRST_WAIT_S", 0.2)
    port = free_port()
    with SsaClient(f"127.0.0.1:{port}") as client:
        assert not client.is_ready()
        with serving(FakeTriton(tensors), port):
            assert len(client.segment(jpeg).masks) == 3
            assert client.is_ready()


def test_a_far_or_busy_server_has_time_to_greet(triton: FakeTriton) -> None:
    with slow_way(triton.url, 0.5) as url, SsaClient(url) as client:
        assert client.is_ready()


def test_nobody_at_the_address(jpeg: bytes) -> None:
    with SsaClient(f"127.0.0.1:{free_port()}", retries=1) as client:
        assert not client.is_ready()
        with pytest.raises(ServerUnavailableError, match="connect"):
            client.segment(jpeg)


def test_ready_is_about_the_model(triton: FakeTriton) -> None:
    with SsaClient(triton.url) as client, SsaClient(triton.url, "other") as other:
        assert client.is_ready()
        assert not other.is_ready()


def test_a_timeout_ends_the_work_on_the_server_too(triton: FakeTriton, jpeg: bytes) -> None:
    triton.script = [30.0]
    start = time.monotonic()
    with SsaClient(triton.url) as client:
        with pytest.raises(RequestTimeoutError):
            client.segment(jpeg, timeout_s=0.3)
        assert triton.cancelled.wait(5)
    assert time.monotonic() - start < 30
    assert len(triton.requests) == 1


def test_the_time_limit_spans_all_attempts(
    triton: FakeTriton, jpeg: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    triton.script = [(StatusCode.UNAVAILABLE, "full")] * 100
    monkeypatch.setattr(_retry, "FIRST_WAIT_S", 0.2)
    with (
        SsaClient(triton.url, retries=100, timeout_s=0.5) as client,
        pytest.raises((ServerUnavailableError, RequestTimeoutError)),
    ):
        client.segment(jpeg)
    # The waits are at least 0.1, 0.2 and 0.4 seconds.
    assert len(triton.requests) <= 3


def test_ctrl_c_ends_the_work_on_the_server_too(
    triton: FakeTriton, jpeg: bytes, ctrl_c: None
) -> None:
    triton.script = [30.0]

    def interrupt() -> None:
        triton.arrived.wait(10)
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    client = SsaClient(triton.url)
    try:
        with pytest.raises(KeyboardInterrupt):
            client.segment(jpeg)
        # Before the client is closed: it may go on to be used.
        assert triton.cancelled.wait(5)
    finally:
        thread.join()
        client.close()
