"""Waiting for a server that was just started."""

from __future__ import annotations

import http.client
import threading
import time

from ssa_backend.embedded.errors import EmbeddedServerError
from ssa_backend.embedded.process import TritonProcess

_POLL_S = 0.05


def wait_until_loaded(
    process: TritonProcess, host: str, http_port: int, timeout_s: float, stopping: threading.Event
) -> None:
    """Return when every model is loaded, or when `stopping` is set.

    Raises:
        EmbeddedServerError: the server ended, or `timeout_s` passed.
    """
    deadline = time.monotonic() + timeout_s
    while not stopping.is_set() and not _is_ready(host, http_port):
        if process.exit_code is not None:
            raise EmbeddedServerError("the server ended while it was starting.")
        if time.monotonic() > deadline:
            raise EmbeddedServerError(f"the models did not load within {timeout_s:.0f} s.")
        stopping.wait(_POLL_S)


def _is_ready(host: str, http_port: int) -> bool:
    """Triton's readiness flag: the server answers and all models are loaded."""
    connection = http.client.HTTPConnection(host, http_port, timeout=1.0)
    try:
        connection.request("GET", "/v2/health/ready")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
