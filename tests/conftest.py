"""What tests of every kind share: the committed repository, and one real server that serves it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ssa_backend.embedded.server import EmbeddedServer
from ssa_backend.settings import RepositorySettings
from ssa_client import SsaClient

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="session")
def repository() -> Path:
    """The committed model repository: the mini models."""
    return ROOT / "model_repository"


@pytest.fixture(scope="session")
def repository_settings(repository: Path) -> RepositorySettings:
    return RepositorySettings.load(repository)


@pytest.fixture(scope="session")
def server(repository: Path) -> Iterator[EmbeddedServer]:
    """A real `tritonserver` process, started once for all tests that only ask it things."""
    with EmbeddedServer(repository, http_port=0, grpc_port=0, metrics_port=0) as running:
        yield running


@pytest.fixture
def client(server: EmbeddedServer) -> Iterator[SsaClient]:
    with SsaClient(server.grpc_url) as connected:
        yield connected
