"""Keeps one server running: whenever one of its processes dies, all of it is started again.

Triton does not restart a dead Python stub: its model answers "Stub process is not healthy" from
then on while it still says that it is ready. Seen with 2.51 when a stub of an ensemble is killed
under load, with 5 stubs on 2 busy cores:

- Loading the one model again through the repository API does nothing, as its files are unchanged.
- Unloading and loading it, or loading it with its own config as an override, has it back after
  0.6 s; requests in flight fail after 1.2 s. But the dead instance never finishes unloading, so
  that the server can no longer stop by itself, and the ensembles around the model are gone for the
  time. It does nothing for a dead server.
- Killing the server's process group breaks the connections, so that requests in flight fail at
  once with UNAVAILABLE, and a new one answers after 1.3 to 1.7 s. It is the same for a dead server.

So there is one mechanism, the last. With large checkpoints it takes as long as the first start.
"""

from __future__ import annotations

import os
import select
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import ExitStack

from ssa_backend.embedded.errors import EmbeddedServerError
from ssa_backend.embedded.process import TritonProcess

# Deaths without a calm time in between that are no longer bad luck.
MAX_DEATHS = 10
CALM_S = 60.0
# A stop waits for what is in flight (`--exit-timeout-secs`) and for the stubs to finish.
_STOP_TIMEOUT_S = 8.0
# How often the watch, which sees a death at once, looks whether it is to stop.
_LOOK_AT_STOP_MS = 100


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
        process = self._process
        if process is not None and not self._ready.is_set():
            # Cut a warm-up short.
            process.kill()
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
        deaths = 0
        while not self._stopping.is_set():
            reason, served_s = self._run_once()
            if self._stopping.is_set():
                return
            deaths = 1 if served_s > CALM_S else deaths + 1
            if deaths >= MAX_DEATHS:
                raise EmbeddedServerError(
                    f"the server died {deaths} times, never up for {CALM_S:.0f} s: {reason}"
                )
            self.restarts += 1
            self._on_death(reason)

    def _run_once(self) -> tuple[str, float]:
        """Start a process and watch it: why it ended, and for how many seconds it had served."""
        process = self._process = self._launch()
        try:
            self._wait_until_ready(process, self._stopping)
            if self._stopping.is_set():
                return "stopped", 0.0
            self._ready.set()
            ready_at = time.monotonic()
            if not self._first_start.done():
                self._first_start.set_result(None)
            death = _watch(process, self._stopping)
            if death is None:
                process.stop(_STOP_TIMEOUT_S)
            return death or "stopped", time.monotonic() - ready_at
        except EmbeddedServerError as error:
            if not self._first_start.done():
                raise
            return str(error), 0.0
        finally:
            self._ready.clear()
            # At once, so that requests in flight fail instead of waiting for a dead stub.
            process.kill()
            self._process = None


def _watch(process: TritonProcess, stopping: threading.Event) -> str | None:
    """Block until the server or one of its stubs ends, and say which; None once `stopping`."""
    watched = {process.pid: "the server"} | {
        pid: f"the Python stub of {instance}" for pid, instance in process.stubs().items()
    }
    poll = select.poll()
    names: dict[int, str] = {}
    with ExitStack() as opened:
        for pid, name in watched.items():
            try:
                # Readable as soon as the process is dead, and never a later one's of the same id.
                handle = os.pidfd_open(pid)
            except ProcessLookupError:
                return f"{name} died."
            opened.callback(os.close, handle)
            poll.register(handle, select.POLLIN)
            names[handle] = name
        while not stopping.is_set():
            for handle, _ in poll.poll(_LOOK_AT_STOP_MS):
                return f"{names[handle]} died."
    return None
