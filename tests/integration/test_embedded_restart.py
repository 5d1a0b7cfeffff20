"""Every process of the embedded server in turn is killed under load."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
import tritonclient.grpc as triton
from ssa_backend.embedded import EmbeddedServer, EmbeddedServerError
from test_embedded_server import infer, rows, toy_server
from toy_repository import WIDTH, write_toy_repository

CLIENTS = 4
# A request that takes longer hangs.
FAST_S = 2.0
BACK_WITHIN_S = 10.0

# Look again soon after a refused connection, as a client of this service should.
RECONNECT = [
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 500),
]


@dataclass
class Load:
    """What the client threads saw; times in seconds."""

    longest_s: float = 0.0
    errors: set[str] = field(default_factory=set)
    last_answer: list[float] = field(default_factory=lambda: [0.0] * CLIENTS)

    def all_answered_since(self, moment: float) -> bool:
        return min(self.last_answer) > moment


@contextmanager
def load_on(url: str) -> Iterator[Load]:
    """Requests to the toy ensemble from several threads, one after the other in each."""
    load, done = Load(), threading.Event()
    x = triton.InferInput("x", [1, WIDTH], "FP32").set_data_from_numpy(rows(1))

    def run(thread: int) -> None:
        with triton.InferenceServerClient(url, channel_args=RECONNECT) as client:
            while not done.is_set():
                began = time.monotonic()
                try:
                    y = client.infer("toy", [x], client_timeout=3 * FAST_S).as_numpy("y")
                    np.testing.assert_array_equal(y, rows(3))
                    load.last_answer[thread] = began
                except triton.InferenceServerException as error:
                    load.errors.add(str(error.status()))
                    time.sleep(0.02)
                load.longest_s = max(load.longest_s, time.monotonic() - began)

    threads = [threading.Thread(target=run, args=(i,)) for i in range(CLIENTS)]
    for thread in threads:
        thread.start()
    try:
        yield load
    finally:
        done.set()
        for thread in threads:
            thread.join()


def wait_for(condition: Callable[[], bool], within_s: float) -> float:
    """Seconds until the condition held."""
    began = time.monotonic()
    while not condition():
        assert time.monotonic() - began < within_s, "it did not come true in time"
        time.sleep(0.02)
    return time.monotonic() - began


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedServer]:
    repository = write_toy_repository(tmp_path_factory.mktemp("repository"))
    with toy_server(repository, tmp_path_factory.mktemp("server")) as running:
        yield running


def pid_of(server: EmbeddedServer, victim: str) -> int:
    """The process that runs the model `victim`, or the server itself."""
    assert server.process is not None
    if victim == "tritonserver":
        return server.process.pid
    return next(p for p, name in server.process.stubs().items() if name.startswith(victim))


@pytest.mark.parametrize(
    "victim", ["slow_identity", "doubler", "caller", "external", "tritonserver"]
)
def test_a_killed_process_comes_back_and_no_request_hangs(
    server: EmbeddedServer, victim: str
) -> None:
    with load_on(server.grpc_url) as load:
        wait_for(lambda: load.all_answered_since(0), BACK_WITHIN_S)
        os.kill(pid_of(server, victim), signal.SIGKILL)
        killed = time.monotonic()
        # Requests that began after the death of the process can only be answered by a new one.
        back_s = wait_for(
            lambda: load.all_answered_since(killed + 0.1) and server.process is not None,
            BACK_WITHIN_S,
        )
        time.sleep(0.2)
    print(f"{victim}: back after {back_s:.2f} s, longest request {load.longest_s:.2f} s")
    assert load.longest_s < FAST_S
    assert load.errors <= {"StatusCode.UNAVAILABLE", "StatusCode.INTERNAL"}


def test_a_server_that_keeps_dying_is_given_up(tmp_path: Path) -> None:
    repository = write_toy_repository(tmp_path)
    calls = 0

    def warm_up(url: str) -> None:
        nonlocal calls
        calls += 1
        if calls > 1:
            raise EmbeddedServerError("the first inference failed")
        infer(url, "toy", rows(0))

    with toy_server(repository, tmp_path, warm_up=warm_up) as server:
        os.kill(pid_of(server, "tritonserver"), signal.SIGKILL)
        with pytest.raises(EmbeddedServerError, match="died .* times within 60 s.*first inference"):
            server.wait(timeout_s=60)
        assert server.process is None
