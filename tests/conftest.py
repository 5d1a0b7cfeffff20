"""What tests of every kind share: the committed repository, and one real server that serves it."""

from __future__ import annotations

import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from ssa_backend.embedded.server import EmbeddedServer
from ssa_backend.settings import RepositorySettings
from ssa_client import SsaClient
from tests.object_store import ENVIRONMENT, require_s3, s3_server

ROOT = Path(__file__).parent.parent


@pytest.fixture(autouse=True)
def torch_as_agreed() -> None:
    """PyTorch's random inputs are the same in every run of a test, whichever ran before it.

    And it computes on one thread: networks this small only lose by a second one, and lose several
    times as much where that has to wait for a core that something else is using.
    """
    if torch := sys.modules.get("torch"):
        torch.manual_seed(0)
        torch.set_num_threads(1)


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


@pytest.fixture(scope="session")
def s3_endpoint() -> Iterator[str]:
    """A real S3 server, started once."""
    require_s3()
    with s3_server() as (url, _):
        yield url


@pytest.fixture
def bucket(s3_endpoint: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """The URL of a new bucket on it, which the standard AWS variables lead to."""
    import s3fs

    for name, value in {**ENVIRONMENT, "AWS_ENDPOINT_URL": s3_endpoint}.items():
        monkeypatch.setenv(name, value)
    name = f"bucket-{uuid.uuid4().hex[:8]}"
    s3fs.S3FileSystem(skip_instance_cache=True).mkdir(name)
    return f"s3://{name}"


@pytest.fixture
def client(server: EmbeddedServer) -> Iterator[SsaClient]:
    with SsaClient(server.grpc_url) as connected:
        yield connected
