"""The embedded server with the toy repository: start, answers, stop, and what goes wrong."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import psutil
import pytest
import tritonclient.grpc as triton

from ssa_backend.embedded import EmbeddedServer, EmbeddedServerError
from tests.integration.toy_repository import (
    WIDTH,
    infer,
    rows,
    toy_server,
    write_python_model,
    write_toy_repository,
)


def footprint() -> set[str]:
    """What the servers of this process hold: running processes and shared memory."""
    this = psutil.Process()
    regions = Path("/dev/shm").glob(f"ssa_{this.pid}_*")
    return {f"pid {p.pid}" for p in this.children(recursive=True)} | {str(r) for r in regions}


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_toy_repository(tmp_path_factory.mktemp("repository"))


@pytest.fixture(scope="module")
def server(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedServer]:
    with toy_server(repository, tmp_path_factory.mktemp("server")) as running:
        yield running


def test_an_ensemble_with_bls_and_external_data_answers(server: EmbeddedServer) -> None:
    answer = infer(server.grpc_url, "toy", rows(1, 2))
    np.testing.assert_array_equal(answer["y"], rows(3, 5))


def test_the_log_records_the_threads_of_every_instance(server: EmbeddedServer) -> None:
    assert server.log_file is not None
    text = server.log_file.read_text()
    cores = len(os.sched_getaffinity(0))
    for name in ("doubler_0_0", "unbatched_0_0"):
        assert f"{name}: ONNX Runtime, CPU threads of a run: {cores}" in text


def test_concurrent_requests_share_one_run(server: EmbeddedServer) -> None:
    values = [rows(1), rows(2, 3), rows(4), rows(5, 6)]
    with ThreadPoolExecutor(len(values)) as pool:
        answers = list(pool.map(lambda x: infer(server.grpc_url, "doubler", x), values))
    for x, answer in zip(values, answers, strict=True):
        np.testing.assert_array_equal(answer["y"], 2 * x)
    assert max(int(answer["run_rows"].max()) for answer in answers) > 2


def test_a_wrong_shape_is_the_users_mistake(server: EmbeddedServer) -> None:
    with pytest.raises(triton.InferenceServerException) as caught:
        infer(server.grpc_url, "unbatched", np.zeros((2, WIDTH + 1), np.float32))
    assert caught.value.status() == "StatusCode.INVALID_ARGUMENT"
    assert "model 'unbatched': input 'x' has shape [2, 4]; the network" in caught.value.message()


def test_a_run_that_fails_names_the_model_and_harms_nothing(server: EmbeddedServer) -> None:
    with pytest.raises(triton.InferenceServerException, match="model 'unbatched': running the"):
        infer(server.grpc_url, "unbatched", rows(1, 2, 3))
    np.testing.assert_array_equal(
        infer(server.grpc_url, "unbatched", rows(1, 2))["y"], rows(-1, -2)
    )


def test_stop_leaves_nothing_behind(repository: Path, tmp_path: Path) -> None:
    before = footprint()
    with toy_server(repository, tmp_path) as server:
        # The server, its five Python stubs and a region of shared memory for each of those.
        assert len(footprint() - before) == 11
        assert not server.wait(timeout_s=0)
    assert footprint() == before
    assert server.wait()
    assert server.log_file is not None
    assert "successfully unloaded 'external'" in server.log_file.read_text()


def test_a_taken_port_is_named(repository: Path, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with (
            pytest.raises(EmbeddedServerError, match=rf":{port} for grpc: .*--grpc-port"),
            toy_server(repository, tmp_path, grpc_port=port),
        ):
            pass


def test_a_folder_that_is_no_repository_is_named(tmp_path: Path) -> None:
    with pytest.raises(EmbeddedServerError, match=r"has no repository\.json"):
        toy_server(tmp_path, tmp_path).start()
    with pytest.raises(EmbeddedServerError, match="there is no model repository"):
        toy_server(tmp_path / "nowhere", tmp_path).start()


def test_a_broken_model_says_why_and_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "repository.json").write_text("{}")
    write_python_model(tmp_path, "broken", "raise ValueError('no such checkpoint')")
    before = footprint()
    with pytest.raises(EmbeddedServerError, match=r"(?s)starting.*ValueError: no such checkpoint"):
        toy_server(tmp_path, tmp_path).start()
    assert footprint() == before


def test_a_model_that_loads_but_does_not_answer_is_no_start(
    repository: Path, tmp_path: Path
) -> None:
    def warm_up(url: str) -> None:
        raise EmbeddedServerError("the first inference failed")

    before = footprint()
    with pytest.raises(EmbeddedServerError, match="the first inference failed"):
        toy_server(repository, tmp_path, warm_up=warm_up).start()
    assert footprint() == before
