"""The engine through every door: with masks of its own or given ones, with and without names."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import tritonclient.grpc
import tritonclient.http
from PIL import Image
from tritonclient.utils import InferenceServerException

from ssa_backend import specs
from ssa_backend.embedded.server import EmbeddedServer
from ssa_backend.settings import RepositorySettings
from ssa_client import AsyncSsaClient, LabelledMask, LabelResult, SsaClient
from ssa_client.conversions import encode_mask
from ssa_export.scenes import render_scene
from tests.images import SIZE_HW, encoded

Answer = dict[str, npt.NDArray[Any]]
Inputs = dict[specs.Tensor, list[bytes]]
Infer = Callable[[Inputs], Answer]
Masks = list[npt.NDArray[np.bool_]]

INVALID = {"grpc": "StatusCode.INVALID_ARGUMENT", "http": "400"}
MIN_AREA = 60
MANY = 1000
MANY_TIMEOUT_S = 600.0
SCRIPTS = ("дорога", "道路", "سيارة", "árbol", "🌳", "वृक्ष")

STREET = render_scene(21, SIZE_HW)


def counts(mask: npt.NDArray[np.bool_]) -> bytes:
    return encode_mask(mask)["counts"].encode("ascii")


@pytest.fixture(scope="module")
def masks() -> Masks:
    return [STREET.mask(i.id) for i in STREET.instances if i.area >= MIN_AREA]


@pytest.fixture(scope="module")
def inputs(masks: Masks) -> Inputs:
    """A good request, as it travels."""
    image = encoded(Image.fromarray(STREET.image))
    return {specs.IMAGE: [image], specs.MASKS: [counts(mask) for mask in masks]}


@pytest.fixture(scope="module", params=["grpc", "http"])
def protocol(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def infer(protocol: str, server: EmbeddedServer) -> Iterator[Infer]:
    """Send anything to `ssa_engine_masks`, unchecked by our own client."""
    module = {"grpc": tritonclient.grpc, "http": tritonclient.http}[protocol]
    url = server.grpc_url if protocol == "grpc" else server.http_url.removeprefix("http://")
    client = module.InferenceServerClient(url)
    ensemble = specs.SSA_ENGINE_MASKS

    def send(inputs: Inputs) -> Answer:
        tensors = []
        for tensor, values in inputs.items():
            request = module.InferInput(tensor.name, [len(values)], tensor.datatype)
            tensors.append(request.set_data_from_numpy(np.array(values, object)))
        response = client.infer(ensemble.name, tensors)
        return {output.name: response.as_numpy(output.name) for output in ensemble.outputs}

    yield send
    client.close()


@pytest.fixture(scope="module")
def expected(infer: Infer, inputs: Inputs) -> Answer:
    """The answer to the good request before anything bad was sent."""
    return infer(inputs)


@pytest.fixture(scope="module")
def result(server: EmbeddedServer, masks: Masks) -> LabelResult:
    with SsaClient(server.grpc_url) as client:
        return client.label(STREET.image, masks=masks)


def names(masks: tuple[LabelledMask, ...]) -> list[tuple[str, tuple[str, ...]]]:
    return [(mask.class_name, mask.class_proposals) for mask in masks]


def test_labels_say_what_they_rest_on(
    result: LabelResult, masks: Masks, repository_settings: RepositorySettings
) -> None:
    assert len(masks) > 5
    assert [mask.area for mask in result.masks] == [int(mask.sum()) for mask in masks]
    assert repository_settings.coco
    assert repository_settings.ade20k
    for mask in result.masks:
        assert mask.caption
        assert mask.coco_name in repository_settings.coco.labels
        assert mask.ade20k_name in repository_settings.ade20k.labels
        assert 0 < mask.coco_share <= 1
        assert 0 < mask.ade20k_share <= 1
        assert 1 <= len(mask.class_proposals) <= 3
        assert list(mask.clip_scores) == sorted(mask.clip_scores, reverse=True)
        assert sum(mask.clip_scores) <= 1 + 1e-5
        assert sum(mask.clipseg_shares) == pytest.approx(1)
        winner = int(np.argmax(mask.clipseg_shares))
        assert mask.class_name == mask.class_proposals[winner]


def test_the_engine_finds_masks_itself(client: SsaClient) -> None:
    result = client.label(STREET.image, points_per_side=8)
    assert result.masks
    areas = [mask.area for mask in result.masks]
    assert areas == sorted(areas, reverse=True)
    assert all(mask.predicted_iou is not None for mask in result.masks)
    # Those masks, given, are named alike.
    given = client.label(STREET.image, masks=[mask.segmentation for mask in result.masks])
    assert names(given.masks) == names(result.masks)


def test_no_mask_passes(client: SsaClient) -> None:
    assert client.label(STREET.image, points_per_side=4, pred_iou_thresh=1.0).masks == ()


async def test_concurrent_requests_get_the_sync_answer(
    server: EmbeddedServer, masks: Masks, result: LabelResult
) -> None:
    async with AsyncSsaClient(server.grpc_url) as client:
        requests = [client.label(STREET.image, masks=masks) for _ in range(3)]
        for answer in await asyncio.gather(*requests):
            assert names(answer.masks) == names(result.masks)


def test_grpc_and_http_give_the_clients_answer(expected: Answer, result: LabelResult) -> None:
    served = [value.decode() for value in expected[specs.CLASS_NAME.name]]
    assert served == [mask.class_name for mask in result.masks]


def test_zero_masks(infer: Infer, inputs: Inputs) -> None:
    answer = infer({**inputs, specs.MASKS: []})
    assert tuple(answer[specs.SIZE.name]) == SIZE_HW
    for tensor in specs.SSA_ENGINE_MASKS.outputs:
        if "masks" in tensor.shape:
            assert answer[tensor.name].shape[0] == 0, tensor.name


def test_one_mask_is_named_as_among_others(
    client: SsaClient, masks: Masks, result: LabelResult
) -> None:
    for i in (0, len(masks) // 2, len(masks) - 1):
        alone = client.label(STREET.image, masks=[masks[i]]).masks
        assert names(alone) == names(result.masks[i : i + 1])


@pytest.mark.parametrize("corner", [(0, 0), (0, -1), (-1, 0), (-1, -1)])
def test_a_mask_of_one_pixel(corner: tuple[int, int], client: SsaClient) -> None:
    pixel = np.zeros(SIZE_HW, np.bool_)
    pixel[corner] = True
    (mask,) = client.label(STREET.image, masks=[pixel]).masks
    assert mask.area == 1
    assert mask.class_name in mask.class_proposals
    assert mask.coco_share == mask.ade20k_share == max(mask.clipseg_shares) == 1


@pytest.mark.timeout(MANY_TIMEOUT_S)
def test_a_thousand_masks(client: SsaClient, masks: Masks, result: LabelResult) -> None:
    """Each as it is named among few; the last bit of batched arithmetic may turn a tie."""
    many = [masks[i % len(masks)] for i in range(MANY)]
    answer = client.label(STREET.image, masks=many, timeout_s=MANY_TIMEOUT_S)
    few = names(result.masks)
    same = [got == few[i % len(few)] for i, got in enumerate(names(answer.masks))]
    assert len(same) == MANY
    assert np.mean(same) > 0.99


def test_a_vocabulary_is_all_there_is(client: SsaClient, masks: Masks) -> None:
    classes = ["car", "tree", "car"]
    for mask in client.label(STREET.image, masks=masks, classes=classes).masks:
        assert set(mask.class_proposals) == {"car", "tree"}
        assert mask.caption == ""


def test_names_in_other_scripts_come_back_as_they_went(client: SsaClient, masks: Masks) -> None:
    for mask in client.label(STREET.image, masks=masks, classes=SCRIPTS).masks:
        assert mask.class_name in mask.class_proposals
        assert set(mask.class_proposals) <= set(SCRIPTS)
        assert len(mask.class_proposals) == 3


def test_a_vocabulary_of_one_name(client: SsaClient, masks: Masks) -> None:
    for mask in client.label(STREET.image, masks=masks, classes=["thing"]).masks:
        assert mask.class_proposals == (mask.class_name,) == ("thing",)
        assert mask.clip_scores == mask.clipseg_shares == (1.0,)


def test_a_vocabulary_of_a_thousand_names(client: SsaClient, masks: Masks) -> None:
    classes = [f"thing number {i}" for i in range(999)] + ["a name of very many words " * 30]
    for mask in client.label(STREET.image, masks=masks[:4], classes=classes).masks:
        assert set(mask.class_proposals) <= set(classes)
        assert mask.class_name in mask.class_proposals


# What is wrong with masks and names: the tensor and what it holds instead of the good one, with
# words that the error must have.
_OTHER_SIZE = counts(np.ones((SIZE_HW[0] + 1, SIZE_HW[1]), np.bool_))
_GOOD = counts(np.ones(SIZE_HW, np.bool_))
BAD: dict[str, tuple[specs.Tensor, list[bytes], str]] = {
    "mask of another size": (specs.MASKS, [_GOOD, _GOOD, _OTHER_SIZE], "MASKS[2]"),
    "mask cut short": (specs.MASKS, [_GOOD, _GOOD[:-1]], "MASKS[1]"),
    "mask of no counts": (specs.MASKS, [_GOOD, b""], "MASKS[1]"),
    "mask of other bytes": (specs.MASKS, [b"\xff\x00\xfe"], "MASKS[0]"),
    "mask that is text": (specs.MASKS, [_GOOD, b"hello world"], "MASKS[1]"),
    "mask that never ends": (specs.MASKS, [b"o" * 100_000], "MASKS[0]"),
    "mask without a pixel": (specs.MASKS, [counts(np.zeros(SIZE_HW, np.bool_))], "MASKS[0]"),
    "no names": (specs.CLASSES, [], "CLASSES"),
    "blank name": (specs.CLASSES, [b"car", b"  "], "CLASSES[1]"),
    "empty name": (specs.CLASSES, [b"", b"car"], "CLASSES[0]"),
    "name that is no text": (specs.CLASSES, [b"car", b"\xff\xfe\xfd"], "CLASSES[1]"),
    "name without end": (specs.CLASSES, [b"car", b"long " * 1000], "CLASSES[1]"),
    "no image": (specs.IMAGE, [b"hello"], "not an image"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_wrong_is_said_and_harms_nobody(
    name: str, infer: Infer, protocol: str, inputs: Inputs, expected: Answer
) -> None:
    tensor, values, words = BAD[name]
    with pytest.raises(InferenceServerException) as refused:
        infer({**inputs, tensor: values})
    assert refused.value.status() == INVALID[protocol], refused.value
    assert words in refused.value.message()
    assert "Traceback" not in refused.value.message()
    answer = infer(inputs)
    for output, array in expected.items():
        np.testing.assert_array_equal(answer[output], array, err_msg=output)
