from __future__ import annotations

import socket

import pytest

from ssa_backend.embedded.errors import EmbeddedServerError
from ssa_backend.embedded.ports import Ports

HOST = "127.0.0.1"


def test_zero_becomes_a_free_port_of_its_own() -> None:
    ports = Ports(0, 0, 0).resolved(HOST)
    assert len({ports.http, ports.grpc, ports.metrics}) == 3
    assert ports.resolved(HOST) == ports  # all free again


@pytest.mark.parametrize("name", ["http", "grpc", "metrics"])
def test_a_taken_port_is_refused_with_its_option(name: str) -> None:
    with socket.create_server((HOST, 0)) as taken:
        port = taken.getsockname()[1]
        ports = Ports(**({"http": 0, "grpc": 0, "metrics": 0} | {name: port}))
        with pytest.raises(EmbeddedServerError, match=rf"{HOST}:{port} for {name}.*--{name}-port"):
            ports.resolved(HOST)


def test_one_port_for_two_endpoints_is_refused() -> None:
    free = Ports(0, 0, 0).resolved(HOST).http
    with pytest.raises(EmbeddedServerError, match="for grpc"):
        Ports(free, free, 0).resolved(HOST)


def test_a_foreign_address_is_refused() -> None:
    with pytest.raises(EmbeddedServerError, match=r"cannot listen on 192\.0\.2\.1"):
        Ports(0, 0, 0).resolved("192.0.2.1")
