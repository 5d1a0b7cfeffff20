"""The TCP ports that the server listens on."""

from __future__ import annotations

import socket
from contextlib import ExitStack
from dataclasses import astuple, dataclass, fields

from ssa_backend.embedded.errors import EmbeddedServerError


@dataclass(frozen=True)
class Ports:
    """One port for each of Triton's endpoints; 0 asks for any free one."""

    http: int = 8000
    grpc: int = 8001
    metrics: int = 8002

    def resolved(self, host: str) -> Ports:
        """The same ports, each 0 replaced by a free one, after a check that all can be bound.

        Raises:
            EmbeddedServerError: a port is taken, or `host` is no address of this machine.
        """
        names = [field.name for field in fields(self)]
        # All stay bound until the last is chosen, so that no free one is given out twice.
        with ExitStack() as bound:
            return Ports(
                *(
                    _bindable(host, name, port, bound)
                    for name, port in zip(names, astuple(self), strict=True)
                )
            )


def _bindable(host: str, name: str, port: int, bound: ExitStack) -> int:
    """The number of the port once bound; the socket closes with `bound`."""
    listener = bound.enter_context(socket.socket(socket.AF_INET, socket.SOCK_STREAM))
    # As the server does it: a port whose last connections are still closing is free.
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        # Two sockets may bind one port with this option; only one of them may listen.
        listener.listen(1)
    except OSError as error:
        raise EmbeddedServerError(
            f"cannot listen on {host}:{port} for {name}: {error.strerror or error}; "
            f"stop what uses it or choose another port with --{name}-port."
        ) from None
    number: int = listener.getsockname()[1]
    return number
