"""One run of the `tritonserver` program, with everything that it would leave behind."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import psutil

_LAUNCHER = Path(__file__).with_name("launch.py")
_SHARED_MEMORY = Path("/dev/shm")
# Where a stub's command line has the name of the model instance it runs.
_INSTANCE_ARGUMENT = 8
# How long processes that were sent SIGKILL may take to disappear.
_KILL_TIMEOUT_S = 5.0


class TritonProcess:
    """A running server: its process group, its log stream and its shared memory.

    The thread that makes it must outlive it: the kernel ends the server with that thread, so that
    nothing stays behind when the whole program is killed.
    """

    def __init__(
        self,
        command: Sequence[str],
        environment: Mapping[str, str],
        shared_memory_prefix: str,
        on_line: Callable[[str], None],
    ) -> None:
        self._shared_memory_prefix = shared_memory_prefix
        self._process = subprocess.Popen(
            [sys.executable, "-I", str(_LAUNCHER), str(os.getpid()), *command],
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            # Its own group: a Ctrl-C in the terminal reaches us alone, and one signal all of it.
            start_new_session=True,
        )
        self._reader = threading.Thread(
            target=self._read, args=(on_line,), name="tritonserver-log", daemon=True
        )
        self._reader.start()

    def _read(self, on_line: Callable[[str], None]) -> None:
        assert self._process.stdout is not None  # PIPE above
        with self._process.stdout as stream:
            for line in stream:
                on_line(line.decode("utf-8", errors="replace").rstrip("\n"))

    @property
    def pid(self) -> int:
        """The process id of the server, which is also its group's."""
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """How the server ended; None while it runs."""
        return self._process.poll()

    def stubs(self) -> dict[int, str]:
        """Process id and model instance (`<model>_0_0`) of every Python stub, dead ones included.

        A stub that is already dead has no name any more: "?".
        """
        try:
            children = psutil.Process(self.pid).children()
        except psutil.NoSuchProcess:
            return {}
        return {child.pid: _instance(child) for child in children}

    def stop(self, timeout_s: float) -> None:
        """Ask the server to end; whatever is left after `timeout_s` is killed."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.terminate()
            self._process.wait(timeout_s)
        self.kill()

    def kill(self) -> None:
        """End the server and its stubs at once and remove its shared memory."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self._process.wait(_KILL_TIMEOUT_S)
        # At its end the log's pipe closes, when the last stub that holds it is gone.
        self._reader.join(_KILL_TIMEOUT_S)
        for region in _SHARED_MEMORY.glob(f"{self._shared_memory_prefix}*"):
            region.unlink(missing_ok=True)


def _instance(stub: psutil.Process) -> str:
    try:
        arguments: list[str] = stub.cmdline()
    except psutil.NoSuchProcess:
        return "?"
    return arguments[_INSTANCE_ARGUMENT] if len(arguments) > _INSTANCE_ARGUMENT else "?"
