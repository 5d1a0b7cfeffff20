from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from ssa_backend.embedded.onnx_runner import OnnxRunner, model_file, thread_budget
from ssa_backend.errors import InvalidInputError
from tests.integration.toy_repository import rows, write_toy_repository


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_toy_repository(tmp_path_factory.mktemp("repository"))


def runner(repository: Path, model: str, *, batches: bool) -> OnnxRunner:
    return OnnxRunner(model_file(repository / model / "1"), batches=batches)


def test_requests_of_a_batching_model_share_one_run(repository: Path) -> None:
    requests = [{"x": rows(1)}, {"x": rows(2, 3)}]
    answers = runner(repository, "doubler", batches=True).run(requests, ["y", "run_rows"])
    np.testing.assert_array_equal(answers[0]["y"], rows(2))
    np.testing.assert_array_equal(answers[1]["y"], rows(4, 6))
    assert [answer["run_rows"].tolist() for answer in answers] == [[[3]], [[3], [3]]]


def test_requests_of_another_model_run_each_on_its_own(repository: Path) -> None:
    requests = [{"x": rows(1)}, {"x": rows(2, 3)}]
    answers = runner(repository, "doubler", batches=False).run(requests, ["run_rows"])
    assert [answer["run_rows"].tolist() for answer in answers] == [[[1]], [[2], [2]]]


def test_no_requests_are_no_run(repository: Path) -> None:
    assert runner(repository, "doubler", batches=True).run([], []) == []


def test_external_data_is_found_in_the_folder(repository: Path) -> None:
    answers = runner(repository, "external", batches=False).run([{"x": rows(1)}], ["y"])
    np.testing.assert_array_equal(answers[0]["y"], rows(2))


@pytest.mark.parametrize("shape", [(2, 4), (3,), (1, 1, 3)])
def test_a_shape_that_does_not_fit_the_network_is_named(
    repository: Path, shape: tuple[int, ...]
) -> None:
    with pytest.raises(InvalidInputError, match=r"input 'x' has shape .* expects"):
        runner(repository, "unbatched", batches=False).check({"x": np.zeros(shape, np.float32)})


def test_a_version_without_a_model_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no ONNX model at"):
        model_file(tmp_path)


def test_threads_come_from_the_config_then_the_environment_then_the_cores(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("SSA_ORT_THREADS", raising=False)
    cores = len(os.sched_getaffinity(0))
    assert thread_budget({}) == cores
    assert thread_budget({"intra_op_thread_count": "0"}) == cores
    assert thread_budget({}, instances=2) == max(1, cores // 2)
    assert thread_budget({}, instances=1000) == 1
    monkeypatch.setenv("SSA_ORT_THREADS", "7")
    assert thread_budget({}) == 7
    assert thread_budget({"intra_op_thread_count": "3"}) == 3
