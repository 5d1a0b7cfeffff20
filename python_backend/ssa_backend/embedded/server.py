"""The real Triton server as a context manager, from the `nvidia-pytriton` wheel.

    with EmbeddedServer(Path("model_repository")) as server:
        print(server.grpc_url)

It is an old release (2.51): the default is loopback, production means NVIDIA's container.
"""

from __future__ import annotations

import os
import secrets
import shutil
import tempfile
import threading
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from ssa_backend.embedded.errors import EmbeddedServerError
from ssa_backend.embedded.install import Installation, install
from ssa_backend.embedded.log import LogLine, ServerLog
from ssa_backend.embedded.ports import Ports
from ssa_backend.embedded.process import TritonProcess
from ssa_backend.embedded.readiness import wait_until_loaded
from ssa_backend.embedded.supervisor import Supervisor
from ssa_backend.embedded.warm_up import WarmUp, ensembles_in, warm_up_of
from ssa_backend.settings import REPOSITORY_FILE

# What requests in flight and then the stubs get to finish after a stop; the rest is cut off.
_EXIT_TIMEOUT_S = 5


class EmbeddedServer:
    """A Triton server on this machine that is restarted whenever one of its processes dies.

    Attributes:
        repository: the served model repository.
        host: the address it listens on.
        ports: the ports it listens on, known once it was started.
        log_file: Triton's full log; it stays after the end.
    """

    def __init__(
        self,
        repository: Path,
        host: str = "127.0.0.1",
        http_port: int = 8000,
        grpc_port: int = 8001,
        metrics_port: int = 8002,
        *,
        start_timeout_s: float = 300.0,
        warm_up: WarmUp | None = None,
        log_file: Path | None = None,
        on_log: Callable[[LogLine], None] | None = None,
        verbose: bool = False,
    ) -> None:
        """Nothing starts yet. A port of 0 means any free one.

        `start_timeout_s` bounds the loading of the models, and again each first inference.
        `warm_up` gets the gRPC address and raises `EmbeddedServerError` if the service does not
        answer; None sends a small image through every ensemble of the repository. `on_log` gets
        the readable lines of the log, from another thread; with `verbose` all of them as they are.
        """
        self.repository = Path(repository).resolve()
        self.host = host
        self.ports = Ports(http_port, grpc_port, metrics_port)
        self.log_file = log_file
        self._start_timeout_s = start_timeout_s
        self._warm_up = warm_up
        self._on_log = on_log
        self._verbose = verbose
        self._resources = ExitStack()
        self._log: ServerLog | None = None
        self._supervisor: Supervisor | None = None

    @property
    def grpc_url(self) -> str:
        """`host:port`, as Triton's gRPC clients take it."""
        return f"{self._reachable_host}:{self.ports.grpc}"

    @property
    def http_url(self) -> str:
        """The root of the HTTP endpoints."""
        return f"http://{self._reachable_host}:{self.ports.http}"

    @property
    def metrics_url(self) -> str:
        """Where Prometheus reads the metrics."""
        return f"http://{self._reachable_host}:{self.ports.metrics}/metrics"

    @property
    def _reachable_host(self) -> str:
        return "127.0.0.1" if self.host == "0.0.0.0" else self.host

    @property
    def restarts(self) -> int:
        """How often the server was started again."""
        return self._supervisor.restarts if self._supervisor else 0

    @property
    def process(self) -> TritonProcess | None:
        """The present process; None while there is none."""
        return self._supervisor.process if self._supervisor else None

    def start(self) -> None:
        """Return when an inference was answered.

        Raises:
            EmbeddedServerError: no repository, a port taken, a model that does not load or answer.
        """
        _check_repository(self.repository)
        self.ports = self.ports.resolved(self.host)
        with ExitStack() as resources:
            folder = Path(tempfile.mkdtemp(prefix="ssa-serve-"))
            backends = folder / "backends"
            backends.mkdir()
            resources.callback(shutil.rmtree, backends)
            installation = install(backends)
            self.log_file = self.log_file or folder / "server.log"
            log = self._log = ServerLog(self.log_file, self._on_log, verbose=self._verbose)
            resources.enter_context(log)

            def launch() -> TritonProcess:
                prefix = f"ssa_{os.getpid()}_{secrets.token_hex(4)}_"
                command = self._command(installation, prefix)
                return TritonProcess(command, installation.environment, prefix, log.write)

            def on_death(reason: str) -> None:
                log.add("warning", f"{reason} Starting everything again.")

            self._supervisor = Supervisor(launch, self._wait_until_ready, on_death)
            try:
                self._supervisor.start()
            except EmbeddedServerError as error:
                raise self._explained(error) from None
            self._resources = resources.pop_all()

    def _wait_until_ready(self, process: TritonProcess, stopping: threading.Event) -> None:
        wait_until_loaded(
            process, self._reachable_host, self.ports.http, self._start_timeout_s, stopping
        )
        if stopping.is_set():
            return
        warm_up = self._warm_up or warm_up_of(ensembles_in(self.repository), self._start_timeout_s)
        warm_up(self.grpc_url)
        if self._log is not None and self.restarts:
            self._log.add("info", "Ready again.")

    def _explained(self, error: EmbeddedServerError) -> EmbeddedServerError:
        """The same error with the end of the log, where the reason is."""
        tail = self._log.tail() if self._log else ""
        lines = [str(error), tail, f"Full log: {self.log_file}"]
        return EmbeddedServerError("\n".join(filter(None, lines)))

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait for the end; False if the server still runs after `timeout_s`.

        Raises:
            EmbeddedServerError: the server kept dying and was given up.
        """
        if self._supervisor is None:
            raise RuntimeError("wait() before start()")
        try:
            return self._supervisor.wait(timeout_s)
        except EmbeddedServerError as error:
            raise self._explained(error) from None

    def stop(self) -> None:
        """End the server; returns when no process and no shared memory of it is left."""
        if self._supervisor is not None:
            self._supervisor.stop()
        self._resources.close()

    def __enter__(self) -> EmbeddedServer:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _command(self, installation: Installation, shared_memory_prefix: str) -> list[str]:
        options = {
            "model-repository": self.repository,
            "backend-directory": installation.backends,
            "backend-config": f"python,shm-region-prefix-name={shared_memory_prefix}",
            "http-address": self.host,
            "grpc-address": self.host,
            "metrics-address": self.host,
            "http-port": self.ports.http,
            "grpc-port": self.ports.grpc,
            "metrics-port": self.ports.metrics,
            "exit-timeout-secs": _EXIT_TIMEOUT_S,
        }
        return [
            str(installation.binary),
            # A config that leaves something out is a fault to be seen, not to be filled in.
            "--disable-auto-complete-config",
            *(f"--{name}={value}" for name, value in options.items()),
        ]


def _check_repository(repository: Path) -> None:
    if not repository.is_dir():
        raise EmbeddedServerError(f"there is no model repository at {repository}.")
    if not (repository / REPOSITORY_FILE).is_file():
        raise EmbeddedServerError(
            f"{repository} has no {REPOSITORY_FILE}, so it is not a model repository of this "
            f"project; `ssa export` writes one."
        )
