"""Keeps one server running: whenever one of its processes dies, all of it is started again.

Triton does not restart a dead Python stub; the model answers "Stub process is not healthy" from
then on while it still says that it is ready. Starting everything again is the one mechanism for a
dead stub and a dead server.
"""

from __future__ import annotations

import os
import select
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import ExitStack

from ssa_backend.embedded.errors import EmbeddedServerError
from ssa_backend.embedded.process import TritonProcess

# A server that dies more often than this within the window has a fault that restarts do not cure.
MAX_RESTARTS = 5
RESTART_WINDOW_S = 60.0
# A stop waits for what is in flight (`--exit-timeout-secs`) and for the stubs to finish.
_STOP_TIMEOUT_S = 6.0


class Supervisor:
    """Owns the server's process from one thread, which lives from start to stop."""

    def __init__(
        self,
        launch: Callable[[], TritonProcess],
        wait_until_ready: Callable[[TritonProcess, threading.Event], None],
        on_death: Callable[[str], None],
    ) -> None:
        """Take the three steps as functions.

        `launch` starts a process; `wait_until_ready` returns once it serves, or soon after the
        event is set, and raises `EmbeddedServerError` when it cannot; `on_death` is told in a
        sentence why the server is started again.
        """
        self._launch = launch
        self._wait_until_ready = wait_until_ready
        self._on_death = on_death
        self._process: TritonProcess | None = None
        self._first_start: Future[None] = Future()
        self._end: Future[None] = Future()
        self._ready = threading.Event()
        self._stopping = threading.Event()
        self._wake = os.eventfd(0)
        self._thread = threading.Thread(target=self._run, name="triton-supervisor", daemon=True)
        self.restarts = 0

    @property
    def process(self) -> TritonProcess | None:
        """The server's present process; None before the first and after the last."""
        return self._process

    def start(self) -> None:
        """Return when the service answers.

        Raises:
            EmbeddedServerError: it does not start.
        """
        self._thread.start()
        try:
            self._first_start.result()
        except BaseException:
            self.stop()
            raise

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait for the end of supervision; False if it goes on after `timeout_s`.

        Raises:
            EmbeddedServerError: the server kept dying and was given up.
        """
        try:
            self._end.result(timeout_s)
        except TimeoutError:
            return False
        return True

    def stop(self) -> None:
        """End the server; returns when nothing of it is left."""
        self._stopping.set()
        os.eventfd_write(self._wake, 1)
        if not self._ready.is_set() and self._process is not None:
            # Cut a warm-up short.
            self._process.kill()
        self._thread.join()

    def _run(self) -> None:
        try:
            self._serve()
        except BaseException as error:
            # To whoever waits: `start` before the service was up, `wait` after.
            if not self._first_start.done():
                self._first_start.set_exception(error)
                self._end.set_result(None)
            else:
                self._end.set_exception(error)
        else:
            if not self._first_start.done():
                self._first_start.set_exception(EmbeddedServerError("stopped while starting."))
            self._end.set_result(None)

    def _serve(self) -> None:
        """Run one process after the other until told to stop."""
        deaths: deque[float] = deque(maxlen=MAX_RESTARTS + 1)
        while not self._stopping.is_set():
            reason = self._run_once()
            if self._stopping.is_set():
                return
            deaths.append(time.monotonic())
            if len(deaths) > MAX_RESTARTS and deaths[-1] - deaths[0] < RESTART_WINDOW_S:
                raise EmbeddedServerError(
                    f"the server died {len(deaths)} times within {RESTART_WINDOW_S:.0f} s; "
                    f"the last time: {reason}"
                )
            self._on_death(reason)
            self.restarts += 1

    def _run_once(self) -> str:
        """Start a process and watch it; why it has to be replaced, unless told to stop."""
        process = self._process = self._launch()
        try:
            self._wait_until_ready(process, self._stopping)
            if self._stopping.is_set():
                return "stopped"
            self._ready.set()
            if not self._first_start.done():
                self._first_start.set_result(None)
            reason = _watch(process, self._wake)
            if self._stopping.is_set():
                process.stop(_STOP_TIMEOUT_S)
            return reason
        except EmbeddedServerError as error:
            if not self._first_start.done():
                raise
            return str(error)
        finally:
            self._ready.clear()
            # At once, so that requests in flight fail instead of waiting for a dead stub.
            process.kill()
            self._process = None


def _watch(process: TritonProcess, wake: int) -> str:
    """Block until the server or one of its stubs ends, or `wake` is written; say which."""
    with ExitStack() as opened:
        poll = select.poll()
        poll.register(wake, select.POLLIN)
        names = {wake: "stopped"}
        watched = {process.pid: "the server"} | {
            pid: f"the Python stub of {model}" for pid, model in process.stubs().items()
        }
        for pid, name in watched.items():
            try:
                handle = os.pidfd_open(pid)
            except ProcessLookupError:
                return f"{name} died."
            opened.callback(os.close, handle)
            poll.register(handle, select.POLLIN)
            names[handle] = f"{name} died."
        return names[poll.poll()[0][0]]
