"""The supervisor with small processes in the place of servers."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time

import pytest

from ssa_backend.embedded import supervisor
from ssa_backend.embedded.errors import EmbeddedServerError
from ssa_backend.embedded.process import TritonProcess
from ssa_backend.embedded.supervisor import Supervisor


def launch() -> TritonProcess:
    program = [sys.executable, "-c", "import time; time.sleep(60)"]
    return TritonProcess(program, dict(os.environ), "ssa_unit_", lambda line: None)


def ready(process: TritonProcess, stopping: threading.Event) -> None:
    pass


def test_a_dead_process_is_replaced_and_the_reason_told() -> None:
    told = threading.Event()
    reasons: list[str] = []

    def on_death(reason: str) -> None:
        reasons.append(reason)
        told.set()

    supervised = Supervisor(launch, ready, on_death)
    supervised.start()
    first = supervised.process
    assert first is not None
    os.kill(first.pid, signal.SIGKILL)
    assert told.wait(5)
    while supervised.process in (None, first):
        time.sleep(0.01)
    assert reasons == ["the server died."]
    assert supervised.restarts == 1
    supervised.stop()
    assert supervised.process is None
    assert supervised.wait()


def test_a_first_start_that_fails_is_not_tried_again() -> None:
    processes: list[TritonProcess] = []

    def fail(process: TritonProcess, stopping: threading.Event) -> None:
        processes.append(process)
        raise EmbeddedServerError("no such model")

    with pytest.raises(EmbeddedServerError, match="no such model"):
        Supervisor(launch, fail, pytest.fail).start()
    assert [process.exit_code for process in processes] == [-signal.SIGKILL]


def test_a_server_that_keeps_dying_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "MAX_DEATHS", 3)
    reasons: list[str] = []

    def ready_once(process: TritonProcess, stopping: threading.Event) -> None:
        if reasons:
            raise EmbeddedServerError("the models did not load")

    supervised = Supervisor(launch, ready_once, reasons.append)
    supervised.start()
    assert supervised.process is not None
    os.kill(supervised.process.pid, signal.SIGKILL)
    with pytest.raises(EmbeddedServerError, match=r"died 3 times.*the models did not load"):
        supervised.wait(10)
    assert reasons == ["the server died.", "the models did not load"]
    supervised.stop()


def test_calm_in_between_clears_the_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "MAX_DEATHS", 2)
    monkeypatch.setattr(supervisor, "CALM_S", 0.0)
    deaths = threading.Semaphore(0)
    supervised = Supervisor(launch, ready, lambda reason: deaths.release())
    supervised.start()
    killed = None
    for _ in range(4):
        while supervised.process in (None, killed):
            time.sleep(0.01)
        killed = supervised.process
        assert killed is not None
        os.kill(killed.pid, signal.SIGKILL)
        assert deaths.acquire(timeout=5)
    supervised.stop()
    assert supervised.wait()


def test_stop_cuts_a_start_short() -> None:
    starting = threading.Event()

    def wait_for_a_dead_process(process: TritonProcess, stopping: threading.Event) -> None:
        starting.set()
        while process.exit_code is None:
            time.sleep(0.01)
        raise EmbeddedServerError("cut short")

    supervised = Supervisor(launch, wait_for_a_dead_process, pytest.fail)

    def stop() -> None:
        starting.wait(5)
        supervised.stop()

    stopper = threading.Thread(target=stop)
    stopper.start()
    with pytest.raises(EmbeddedServerError, match="cut short"):
        supervised.start()
    stopper.join()
