"""The engine's side of the clients: what travels, what comes back, what is refused before."""

from __future__ import annotations

import asyncio
import io
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from ssa_backend import specs
from ssa_client import (
    AsyncSsaClient,
    InvalidRequestError,
    LabelledMask,
    ServerError,
    SsaClient,
)
from tests.unit.client.conftest import HEIGHT, MASKS, WIDTH, counts_of
from tests.unit.client.fake_triton import FakeTriton, texts

COUNTS = [counts_of(mask).encode() for mask in MASKS]


def rle(mask: npt.NDArray[np.bool_]) -> dict[str, Any]:
    return {"size": [HEIGHT, WIDTH], "counts": counts_of(mask)}


def runs(mask: npt.NDArray[np.bool_]) -> list[int]:
    """Uncompressed RLE: run lengths down the columns, the first of pixels off the mask."""
    column_major = np.concatenate([[False], mask.T.ravel(), [not mask[-1, -1]]])
    edges = np.flatnonzero(np.diff(column_major))
    return [int(n) for n in np.diff(np.concatenate([[0], edges]))]


def test_an_image_alone_goes_to_the_engine_with_its_settings(
    engine: FakeTriton, jpeg: bytes
) -> None:
    with SsaClient(engine.url) as client:
        assert client.is_ready(specs.SSA_ENGINE.name)
        result = client.label(jpeg, points_per_side=16)
    (request,) = engine.requests
    assert request.model_name == "ssa_engine"
    assert [given.name for given in request.inputs] == ["IMAGE"]
    assert engine.images == [jpeg]
    assert request.parameters["points_per_side"].string_param == "16"
    assert {o.name for o in request.outputs} == {o.name for o in specs.SSA_ENGINE.outputs}
    assert result.size_hw == (HEIGHT, WIDTH)
    assert result.class_names == ("car", "straße", "the blue sky")
    assert result.masks[1] == LabelledMask(
        segmentation={"size": [HEIGHT, WIDTH], "counts": counts_of(MASKS[1])},
        bbox_xywh=(0, 35, 79, 24),
        area=2000,
        class_name="straße",
        class_proposals=("road", "straße", "a car"),
        clip_scores=(0.5, 0.25, 0.125),
        clipseg_shares=(0.25, 0.75, 0.0),
        caption="eine straße",
        coco_name="road",
        coco_share=0.5,
        ade20k_name="road",
        ade20k_share=0.25,
        predicted_iou=0.875,
        stability_score=0.625,
        point_coords=(40.0, 50.0),
        crop_box_xywh=(0, 0, 80, 60),
    )
    # Padding is no proposal, and has no score.
    assert result.masks[0].class_proposals == ("the blue sky",)
    assert result.masks[0].clip_scores == result.masks[0].clipseg_shares == (1.0,)
    for mask, drawn in zip(result.masks, MASKS, strict=True):
        np.testing.assert_array_equal(mask.decode(), drawn)


@pytest.mark.parametrize(
    "masks",
    [
        [rle(mask) for mask in MASKS],
        tuple({"size": (HEIGHT, WIDTH), "counts": counts} for counts in COUNTS),
        [{"size": [HEIGHT, WIDTH], "counts": runs(mask)} for mask in MASKS],
        [{"segmentation": rle(mask), "bbox": [0, 0, 1, 1]} for mask in MASKS],
        [{"segmentation": mask} for mask in MASKS],
        list(MASKS),
        [mask.astype(np.uint8) * 255 for mask in MASKS],
        np.stack(MASKS),
        [rle(MASKS[0]), MASKS[1], {"segmentation": rle(MASKS[2])}],
    ],
)
def test_masks_of_any_form_travel_as_compressed_rle(
    engine: FakeTriton, jpeg: bytes, masks: Any
) -> None:
    with SsaClient(engine.url) as client:
        result = client.label(jpeg, masks)
    assert engine.requests[0].model_name == "ssa_engine_masks"
    assert engine.sent("MASKS") == COUNTS
    assert engine.sent("CLASSES") is None
    assert [mask.class_name for mask in result.masks] == ["the blue sky", "straße", "car"]
    assert result.masks[0].predicted_iou is None


def test_given_masks_keep_their_order_and_what_came_with_them(
    engine: FakeTriton, jpeg: bytes
) -> None:
    order = [2, 0, 1]
    engine.tensors = {
        name: array if name == "size" else array[order] for name, array in engine.tensors.items()
    }
    annotation = {
        "id": 77,
        "segmentation": rle(MASKS[2]),
        "predicted_iou": 0.9,
        "stability_score": 0.8,
        "point_coords": [[20.5, 45]],
        "crop_box": [0, 0, 80, 60],
        "iscrowd": 0,
    }
    with SsaClient(engine.url) as client:
        result = client.label(jpeg, [annotation, MASKS[0], {"segmentation": rle(MASKS[1])}])
    assert engine.sent("MASKS") == [COUNTS[i] for i in order]
    assert [mask.area for mask in result.masks] == [200, 2400, 2000]
    car, sky, _ = result.masks
    assert (car.predicted_iou, car.stability_score) == (0.9, 0.8)
    assert car.point_coords == (20.5, 45.0)
    assert car.crop_box_xywh == (0, 0, 80, 60)
    assert (sky.predicted_iou, sky.point_coords, sky.source) == (None, None, {})
    written = result.to_annotation("street.jpg")["annotations"]
    assert [entry["id"] for entry in written] == [77, 2, 3]
    assert written[0]["iscrowd"] == 0
    assert [entry["parent"] for entry in written] == [3, None, None]
    assert written[0]["class_name"] == "car"
    assert written[0]["point_coords"] == [[20.5, 45]]
    assert "predicted_iou" not in written[1]


def test_no_masks_are_a_request_and_a_result(engine: FakeTriton, jpeg: bytes) -> None:
    engine.tensors = {
        name: array if name == "size" else array[:0] for name, array in engine.tensors.items()
    }
    with SsaClient(engine.url) as client:
        empty = np.zeros((0, HEIGHT, WIDTH), np.bool_)
        for result in (client.label(jpeg, []), client.label(jpeg, empty), client.label(jpeg)):
            assert result.masks == ()
            assert result.to_annotation("a.jpg")["annotations"] == []
            assert result.to_coco() == result.coco_categories() == []
            assert len(result.to_supervision()) == 0
            assert result.draw(jpeg).width == WIDTH
    assert engine.sent("MASKS", 0) == engine.sent("MASKS", 1) == []
    assert engine.sent("MASKS", 2) is None


def test_classes_travel_as_utf8(engine: FakeTriton, jpeg: bytes) -> None:
    with SsaClient(engine.url) as client:
        client.label(jpeg, classes=("car", "straße", "街道"))
        client.label(jpeg, np.stack(MASKS), classes=iter(["car"]))
    assert engine.sent("CLASSES", 0) == [name.encode() for name in ("car", "straße", "街道")]
    assert engine.sent("CLASSES", 1) == [b"car"]
    assert engine.sent("MASKS", 1) == COUNTS


@pytest.mark.parametrize(
    ("classes", "why"),
    [
        ("car", "classes is 'car'; expected several names"),
        ([], "classes is empty"),
        (["car", " "], r"classes\[1\] is ' '"),
        (["car", 3], r"classes\[1\] is 3"),
    ],
)
def test_classes_that_are_no_names_are_refused(
    engine: FakeTriton, jpeg: bytes, classes: Any, why: str
) -> None:
    with SsaClient(engine.url) as client, pytest.raises(InvalidRequestError, match=why):
        client.label(jpeg, classes=classes)
    assert engine.requests == []


TURNED = {"size": [WIDTH, HEIGHT], "counts": counts_of(MASKS[0])}


@pytest.mark.parametrize(
    ("masks", "why"),
    [
        (rle(MASKS[0]), "masks is a dict"),
        ("masks.json", "masks is a str"),
        (3, "masks is a int"),
        (MASKS[0], r"masks is an array of \[60, 80\]; expected \[N, H, W\]"),
        ([MASKS[0].astype(np.float32)], r"masks\[0\] is an array of float32 \[60, 80\]"),
        ([MASKS[0], None], r"masks\[1\] is a NoneType; expected a COCO RLE"),
        ([{"segmentation": [[0, 0, 1, 0, 1, 1]]}], r"masks\[0\] has a list as 'segmentation'"),
        ([{"counts": "abc"}], r"masks\[0\] has the size None"),
        ([{"size": [HEIGHT, -1], "counts": "a"}], r"masks\[0\] has the size \[60, -1\]"),
        ([{"size": [HEIGHT, WIDTH]}], r"masks\[0\] has NoneType as counts"),
        ([{"size": [HEIGHT, WIDTH], "counts": [5, 6]}], r"masks\[0\] has runs of 11 pixels"),
        ([rle(MASKS[0]), TURNED], r"masks\[1\] is \[80, 60\] pixels.*\[60, 80\]"),
        # As many pixels as the image has, but not its shape: the counts alone would not tell.
        ([TURNED], r"masks are \[80, 60\] pixels.*the image is \[60, 80\]"),
    ],
)
def test_masks_that_are_none_are_refused_before_they_are_sent(
    engine: FakeTriton, jpeg: bytes, masks: Any, why: str
) -> None:
    with SsaClient(engine.url) as client, pytest.raises(InvalidRequestError, match=why):
        client.label(jpeg, masks)
    assert engine.requests == []


def test_masks_are_of_the_upright_image(engine: FakeTriton, pixels: npt.NDArray[np.uint8]) -> None:
    buffer = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 6  # a quarter turn
    Image.fromarray(np.ascontiguousarray(np.rot90(pixels))).save(buffer, "JPEG", exif=exif)
    with SsaClient(engine.url) as client:
        client.label(buffer.getvalue(), np.stack(MASKS))
        # Whether bytes are an image is for the server to say.
        client.label(b"no image", np.stack(MASKS))
    assert len(engine.requests) == 2


def test_another_name_of_the_engine(engine: FakeTriton, jpeg: bytes) -> None:
    engine.ensembles["my_engine"] = specs.SSA_ENGINE
    with SsaClient(engine.url) as client:
        client.label(jpeg, model="my_engine")
    assert engine.requests[0].model_name == "my_engine"


@pytest.mark.parametrize(
    ("name", "wrong", "why"),
    [
        ("clip_score", np.zeros((3, 2), np.float32), r"'clip_score'.*\[3, 2\].*\[3, 3\]"),
        ("coco_share", np.zeros(2, np.float32), r"'coco_share'.*\[2\].*\[3\]"),
        ("caption", texts("a", "b"), r"'caption'.*\[2\].*\[3\]"),
    ],
)
def test_a_tensor_of_another_shape_is_named(
    engine: FakeTriton, jpeg: bytes, name: str, wrong: npt.NDArray[Any], why: str
) -> None:
    engine.tensors[name] = wrong
    with SsaClient(engine.url) as client, pytest.raises(ServerError, match=why):
        client.label(jpeg)


def test_as_many_masks_come_back_as_were_sent(engine: FakeTriton, jpeg: bytes) -> None:
    with SsaClient(engine.url) as client, pytest.raises(ServerError, match=r"\[3\].*\[2\]"):
        client.label(jpeg, MASKS[:2])


async def test_asyncio_sends_and_reads_the_same(
    engine: FakeTriton, jpeg: bytes, tmp_path: Path
) -> None:
    path = tmp_path / "street.jpg"
    path.write_bytes(jpeg)
    with SsaClient(engine.url) as blocking:
        expected = blocking.label(path, MASKS, ["car"])
    async with AsyncSsaClient(engine.url) as client:
        assert await client.is_ready(specs.SSA_ENGINE_MASKS.name)
        results = await asyncio.gather(*(client.label(path, MASKS, ["car"]) for _ in range(4)))
        with pytest.raises(InvalidRequestError, match="several names"):
            await client.label(path, classes="car")
    assert results == [expected] * 4
    assert engine.sent("MASKS", 4) == COUNTS
    assert engine.sent("CLASSES", 4) == [b"car"]
