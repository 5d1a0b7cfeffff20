"""`ssa serve` in a process of its own, as a user runs it."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
import tritonclient.grpc as triton

STOPS_WITHIN_S = 10.0


@pytest.fixture(autouse=True)
def _logs_go_with_the_test(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))


@contextmanager
def ssa_serve(repository: Path, *options: str) -> Iterator[subprocess.Popen[str]]:
    """The command on free ports; later options win. A test that fails leaves it no life."""
    ports = [f"--{name}-port=0" for name in ("http", "grpc", "metrics")]
    command = ["serve", "--model-repository", str(repository), *ports, *options]
    with subprocess.Popen(
        [sys.executable, "-c", "from ssa_client.cli import app; app()", *command],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as running:
        try:
            yield running
        except BaseException:
            running.terminate()
            raise


def read_until(running: subprocess.Popen[str], text: str) -> str:
    """What it printed up to and with the line that has `text`."""
    assert running.stdout is not None
    printed = ""
    for line in running.stdout:
        printed += line
        if text in line:
            return printed
    raise AssertionError(f"{text!r} is not in:\n{printed}")


def still_alive(processes: list[psutil.Process]) -> list[psutil.Process]:
    """Those that do not go away; the killed ones wait a moment for init to collect them."""
    alive: list[psutil.Process] = psutil.wait_procs(processes, timeout=5)[1]
    return alive


def test_it_serves_until_ctrl_c(repository: Path) -> None:
    with ssa_serve(repository) as running:
        printed = read_until(running, "Ctrl-C stops it")
        assert "Ready: ssa, ssa_engine, ssa_engine_masks, preset mini" in printed
        url = re.findall(r"gRPC +(\S+)", printed)[0]
        assert f"ssa segment IMAGE --out output --url {url}" in printed
        assert "CUDA" not in printed
        with triton.InferenceServerClient(url) as client:
            assert client.is_model_ready("ssa")
        processes = psutil.Process(running.pid).children(recursive=True)
        log_file = Path(re.findall(r"full log (\S+)", printed)[0])

        running.send_signal(signal.SIGINT)
        told = time.monotonic()
        assert running.stdout is not None
        assert "Stopped." in running.stdout.read()
        assert running.wait() == 0
        assert time.monotonic() - told < STOPS_WITHIN_S
    assert still_alive(processes) == []
    assert "successfully loaded 'ssa'" in log_file.read_text()


def test_sigterm_while_it_starts_stops_it(repository: Path) -> None:
    with ssa_serve(repository) as running:
        read_until(running, "successfully loaded")
        processes = psutil.Process(running.pid).children(recursive=True)
        running.send_signal(signal.SIGTERM)
        assert running.wait(STOPS_WITHIN_S) == 0
    assert still_alive(processes) == []


def test_what_is_wrong_is_one_line(repository: Path, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with ssa_serve(repository, f"--http-port={port}") as running:
            printed = read_until(running, "choose another port with --http-port")
    assert running.returncode == 1
    assert "Traceback" not in printed
    with ssa_serve(tmp_path) as running:
        read_until(running, "`ssa export` writes one")
    assert running.returncode == 1


def test_an_address_that_others_reach_is_warned_of(tmp_path: Path) -> None:
    with ssa_serve(tmp_path, "--host", "0.0.0.0") as running:
        read_until(running, "warning: 0.0.0.0 is reachable from other machines")
