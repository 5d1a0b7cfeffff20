"""Every process of the embedded server in turn is killed under load."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
import tritonclient.grpc as triton
from PIL import Image

from ssa_backend import specs
from ssa_backend.embedded import EmbeddedServer
from tests.integration.toy_repository import WIDTH, rows, toy_server, write_toy_repository

CLIENTS = 4
# A request that takes longer hangs.
FAST_S = 2.0
REQUEST_TIMEOUT_S = 3 * FAST_S
BACK_WITHIN_S = 10.0

# Look again soon after a refused connection, as a client of this service should.
RECONNECT = [
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 500),
]


@dataclass(frozen=True)
class Attempt:
    """One request: seconds on the monotonic clock, and the gRPC status if it was refused."""

    began: float
    ended: float
    error: str | None = None


class Load:
    """Requests from several threads, one after the other in each."""

    def __init__(self, url: str, request: Callable[[Any], None]) -> None:
        """`request` gets a client; it raises if the answer is wrong."""
        self._url = url
        self._request = request
        self._done = threading.Event()
        self._attempts: list[list[Attempt]] = [[] for _ in range(CLIENTS)]
        self._pool = ThreadPoolExecutor(CLIENTS)
        self._threads = [self._pool.submit(self._run, own) for own in self._attempts]

    def _run(self, own: list[Attempt]) -> None:
        with triton.InferenceServerClient(self._url, channel_args=RECONNECT) as client:
            while not self._done.is_set():
                began = time.monotonic()
                error = None
                try:
                    self._request(client)
                except triton.InferenceServerException as refused:
                    error = str(refused.status())
                    time.sleep(0.02)
                own.append(Attempt(began, time.monotonic(), error))

    def all_answered_since(self, moment: float) -> bool:
        """Whether each thread got an answer to a request that it began after `moment`."""
        return all(
            any(attempt.began > moment and not attempt.error for attempt in own[-20:])
            for own in self._attempts
        )

    def attempts(self) -> list[Attempt]:
        return [attempt for own in self._attempts for attempt in own]

    def __enter__(self) -> Load:
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        for thread in self._threads:
            thread.result()
        self._pool.shutdown()


def wait_for(condition: Callable[[], bool], within_s: float) -> float:
    """Seconds until the condition held."""
    began = time.monotonic()
    while not condition():
        assert time.monotonic() - began < within_s, "it did not come true in time"
        time.sleep(0.02)
    return time.monotonic() - began


def pid_of(server: EmbeddedServer, victim: str) -> int:
    """The process that runs the model `victim`, or the server itself."""
    assert server.process is not None
    if victim == "tritonserver":
        return server.process.pid
    return next(p for p, name in server.process.stubs().items() if name.startswith(victim))


def kill_under_load(server: EmbeddedServer, victim: str, request: Callable[[Any], None]) -> None:
    """Kill the process under load and check that it comes back and that no request hangs."""
    with Load(server.grpc_url, request) as load:
        wait_for(lambda: load.all_answered_since(0), BACK_WITHIN_S)
        os.kill(pid_of(server, victim), signal.SIGKILL)
        killed = time.monotonic()
        # What began a little after the death can only be answered by a new process.
        back_s = wait_for(lambda: load.all_answered_since(killed + 0.1), BACK_WITHIN_S)
    concerned = [attempt for attempt in load.attempts() if attempt.ended > killed]
    longest_s = max(attempt.ended - max(attempt.began, killed) for attempt in concerned)
    print(f"{victim}: back after {back_s:.2f} s, longest request {longest_s:.2f} s")
    assert longest_s < FAST_S
    assert {attempt.error for attempt in concerned} == {None, "StatusCode.UNAVAILABLE"}


@pytest.fixture(scope="module")
def toy_running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedServer]:
    repository = write_toy_repository(tmp_path_factory.mktemp("repository"))
    with toy_server(repository, tmp_path_factory.mktemp("server")) as running:
        yield running


@pytest.mark.parametrize(
    "victim", ["slow_identity", "doubler", "caller", "external", "tritonserver"]
)
def test_a_killed_process_comes_back_and_no_request_hangs(
    toy_running: EmbeddedServer, victim: str
) -> None:
    x = triton.InferInput("x", [1, WIDTH], "FP32").set_data_from_numpy(rows(1))

    def request(client: Any) -> None:
        y = client.infer("toy", [x], client_timeout=REQUEST_TIMEOUT_S).as_numpy("y")
        np.testing.assert_array_equal(y, rows(3))

    kill_under_load(toy_running, victim, request)


@pytest.fixture(scope="module")
def mini_running(
    repository: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[EmbeddedServer]:
    """A server of its own: what is killed here is no other test's."""
    log_file = tmp_path_factory.mktemp("server") / "server.log"
    with EmbeddedServer(
        repository, http_port=0, grpc_port=0, metrics_port=0, log_file=log_file
    ) as running:
        yield running


@pytest.mark.full
@pytest.mark.parametrize("victim", [*(model.name for model in specs.SSA.models), "tritonserver"])
def test_the_mini_service_comes_back_and_no_request_hangs(
    mini_running: EmbeddedServer, victim: str
) -> None:
    image = np.array([encoded_square()], object)
    image_input = triton.InferInput("IMAGE", [1], "BYTES").set_data_from_numpy(image)

    def request(client: Any) -> None:
        client.infer(
            specs.SSA.name,
            [image_input],
            parameters={"points_per_side": 2},
            client_timeout=REQUEST_TIMEOUT_S,
        )

    kill_under_load(mini_running, victim, request)


def encoded_square() -> bytes:
    """A PNG of a light square on a dark ground."""
    pixels = np.full((64, 64, 3), 40, np.uint8)
    pixels[16:48, 16:48] = 200
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def test_nothing_outlives_a_program_that_is_killed(tmp_path: Path) -> None:
    repository = write_toy_repository(tmp_path)
    program = (
        "import sys, time; from pathlib import Path; from ssa_backend.embedded import *\n"
        "server = EmbeddedServer(Path(sys.argv[1]), http_port=0, grpc_port=0, metrics_port=0)\n"
        "server.start(); print(flush=True); time.sleep(60)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, str(repository)], stdout=subprocess.PIPE
    ) as running:
        assert running.stdout is not None
        running.stdout.readline()
        processes = psutil.Process(running.pid).children(recursive=True)
        assert len(processes) == 6
        running.kill()
    _, alive = psutil.wait_procs(processes, timeout=15)
    assert alive == []
    assert list(Path("/dev/shm").glob(f"ssa_{running.pid}_*")) == []
