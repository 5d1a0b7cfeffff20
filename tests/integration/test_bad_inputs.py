"""What is wrong with a request is said clearly, at once, and disturbs nobody else."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import tritonclient.grpc
import tritonclient.http
from tritonclient.utils import InferenceServerException

from ssa_backend import specs
from ssa_backend.embedded.server import EmbeddedServer
from tests.images import BAD_PARAMETERS, bad_images, encoded, scene, unusual_images

Answer = dict[str, npt.NDArray[Any]]
Infer = Callable[..., Answer]

INVALID = {"grpc": "StatusCode.INVALID_ARGUMENT", "http": "400"}
ANSWER_WITHIN_S = 1.0
# What is large takes time on its way, whatever the answer: 50 MB/s on a slow machine.
COPYING_S_PER_BYTE = 1 / 50e6
# A machine that is busy with something else may be slow once; it is not slow three times.
TRIES = 3
FAST = {"points_per_side": 4}
BAD_IMAGES = bad_images()
UNUSUAL_IMAGES = unusual_images()


@pytest.fixture(scope="module", params=["grpc", "http"])
def protocol(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def infer(protocol: str, server: EmbeddedServer) -> Iterator[Infer]:
    """Send any arrays to the ensemble, unchecked by our own client."""
    module = {"grpc": tritonclient.grpc, "http": tritonclient.http}[protocol]
    url = server.grpc_url if protocol == "grpc" else server.http_url.removeprefix("http://")
    client = module.InferenceServerClient(url)

    def send(inputs: Answer, datatype: str = "BYTES", **parameters: Any) -> Answer:
        tensors = []
        for name, array in inputs.items():
            tensor = module.InferInput(name, list(array.shape), datatype)
            tensor.set_data_from_numpy(array)
            tensors.append(tensor)
        response = client.infer(specs.SSA.name, tensors, parameters=parameters)
        return {t.name: response.as_numpy(t.name) for t in specs.SSA.outputs}

    yield send
    client.close()


def image_input(data: bytes) -> Answer:
    return {specs.IMAGE.name: np.array([data], object)}


@pytest.fixture(scope="module")
def expected(infer: Infer) -> Answer:
    """The answer to a good request before anything bad was sent."""
    return infer(image_input(encoded(scene())), **FAST)


def assert_refused(
    infer: Infer, protocol: str, words: str, *args: Any, sent_bytes: int = 0, **parameters: Any
) -> None:
    elapsed_s = []
    limit_s = ANSWER_WITHIN_S + sent_bytes * COPYING_S_PER_BYTE
    for _ in range(TRIES):
        start = time.perf_counter()
        with pytest.raises(InferenceServerException) as refused:
            infer(*args, **parameters)
        elapsed_s.append(time.perf_counter() - start)
        assert refused.value.status() == INVALID[protocol], refused.value
        assert words in refused.value.message()
        assert "Traceback" not in refused.value.message()
        if elapsed_s[-1] < limit_s:
            return
    pytest.fail(f"refused after {elapsed_s} seconds, which is too slow")


def assert_still_serves(infer: Infer, expected: Answer) -> None:
    answer = infer(image_input(encoded(scene())), **FAST)
    for name, array in expected.items():
        np.testing.assert_array_equal(answer[name], array, err_msg=name)


@pytest.mark.parametrize("name", BAD_IMAGES)
def test_bad_image(name: str, infer: Infer, protocol: str, expected: Answer) -> None:
    data, words = BAD_IMAGES[name]
    assert_refused(infer, protocol, words, image_input(data), sent_bytes=len(data))
    assert_still_serves(infer, expected)


@pytest.mark.parametrize("name", BAD_PARAMETERS)
def test_bad_parameter(name: str, infer: Infer, protocol: str, expected: Answer) -> None:
    parameters, words = BAD_PARAMETERS[name]
    assert_refused(infer, protocol, words, image_input(encoded(scene())), **parameters)
    assert_still_serves(infer, expected)


@pytest.mark.parametrize(
    ("inputs", "datatype", "words"),
    [
        ({specs.IMAGE.name: np.zeros(1, np.float32)}, "FP32", "FP32"),
        ({specs.IMAGE.name: np.array([b"a", b"b"], object)}, "BYTES", "shape"),
        ({specs.IMAGE.name: np.array([[b"a"]], object)}, "BYTES", "shape"),
        ({"PICTURE": np.array([b"a"], object)}, "BYTES", "PICTURE"),
    ],
    ids=["wrong dtype", "two images", "wrong rank", "wrong name"],
)
def test_wrong_tensor(
    inputs: Answer, datatype: str, words: str, infer: Infer, protocol: str, expected: Answer
) -> None:
    assert_refused(infer, protocol, words, inputs, datatype)
    assert_still_serves(infer, expected)


@pytest.mark.parametrize("name", UNUSUAL_IMAGES)
def test_unusual_image_is_served(name: str, infer: Infer) -> None:
    data, size_hw = UNUSUAL_IMAGES[name]
    answer = infer(image_input(data), **FAST)
    assert tuple(answer[specs.SIZE.name]) == size_hw
    assert answer[specs.SEMANTIC_MAP.name].shape == size_hw


def test_a_16_bit_image_is_seen_as_its_8_bit_version(infer: Infer) -> None:
    sixteen, _ = UNUSUAL_IMAGES["16-bit"]
    answer = infer(image_input(sixteen), **FAST)
    eight = infer(image_input(encoded(scene().convert("L"))), **FAST)
    np.testing.assert_array_equal(answer[specs.SEMANTIC_MAP.name], eight[specs.SEMANTIC_MAP.name])
