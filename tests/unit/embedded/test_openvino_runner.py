from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ssa_backend import specs
from ssa_backend.embedded import openvino_runner
from ssa_backend.embedded.network_runner import Arrays
from ssa_backend.embedded.onnx_runner import OnnxRunner, model_file
from ssa_backend.embedded.openvino_runner import OpenVinoRunner
from ssa_backend.errors import InvalidInputError
from tests.integration.toy_repository import rows, write_toy_repository


@pytest.fixture(scope="module")
def toys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_toy_repository(tmp_path_factory.mktemp("repository"))


def test_requests_of_a_batching_model_share_one_run(toys: Path) -> None:
    doubler = OpenVinoRunner(model_file(toys / "doubler" / "1"), batches=True)
    answers = doubler.run([{"x": rows(1)}, {"x": rows(2, 3)}], ["y", "run_rows"])
    np.testing.assert_array_equal(answers[0]["y"], rows(2))
    np.testing.assert_array_equal(answers[1]["y"], rows(4, 6))
    assert [answer["run_rows"].tolist() for answer in answers] == [[[3]], [[3], [3]]]


def test_a_shape_that_does_not_fit_the_network_is_named(toys: Path) -> None:
    runner = OpenVinoRunner(model_file(toys / "unbatched" / "1"), batches=False)
    with pytest.raises(InvalidInputError, match=r"input 'x' has shape \[2, 4\]; .* expects"):
        runner.check({"x": np.zeros((2, 4), np.float32)})


def test_a_missing_openvino_is_named(toys: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openvino_runner, "find_spec", lambda name: None)
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'ssa-triton\[openvino\]'"):
        OpenVinoRunner(model_file(toys / "doubler" / "1"), batches=True)


@pytest.mark.parametrize(("prompts", "min_iou"), [(1, -np.inf), (7, -np.inf), (5, 9.0)])
def test_the_mask_decoder_draws_nearly_the_same(
    repository: Path, prompts: int, min_iou: float
) -> None:
    """With prompts and masks of any number, none among them."""
    path = model_file(repository / specs.SAM_MASK_DECODER.name / "1")
    rng = np.random.default_rng(0)
    embedding, coords, labels, threshold = (t.name for t in specs.SAM_MASK_DECODER.inputs)
    request: Arrays = {
        embedding: rng.normal(size=(1, 128, 24, 24)).astype(np.float32),
        coords: rng.uniform(0, 192, (prompts, 1, 2)).astype(np.float32),
        labels: np.ones((prompts, 1), np.int64),
        threshold: np.array([min_iou], np.float32),
    }
    names = [tensor.name for tensor in specs.SAM_MASK_DECODER.outputs]
    (found,), (exact,) = (
        runner(path, batches=False).run([request], names) for runner in (OpenVinoRunner, OnnxRunner)
    )
    for name in names:
        assert found[name].shape == exact[name].shape
        scale = np.abs(exact[name]).max(initial=1e-9)
        np.testing.assert_allclose(found[name] / scale, exact[name] / scale, atol=0.1)
    again = OpenVinoRunner(path, batches=False)
    first = again.run([request], names)[0]
    kept = {name: array.copy() for name, array in first.items()}
    again.run([{**request, coords: request[coords] / 2}], names)
    for name in names:  # an answer is not written over by the next
        np.testing.assert_array_equal(first[name], kept[name])
