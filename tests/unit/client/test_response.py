"""From the response's tensors to a result."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from ssa_client import Mask, ServerError, SsaClient
from tests.unit.client.conftest import MASKS
from tests.unit.client.fake_triton import FakeTriton, Tensors


def test_every_tensor_lands_in_its_field(triton: FakeTriton, jpeg: bytes) -> None:
    with SsaClient(triton.url) as client:
        result = client.segment(jpeg)
    assert result.size_hw == (60, 80)
    np.testing.assert_array_equal(result.semantic_map, triton.tensors["semantic_map"])
    assert result.semantic_map.dtype == np.uint16
    assert [result.labels[i] for i in (0, 8, 18)] == ["road", "vegetation", "bicycle"]
    road = result.masks[1]
    assert road == Mask(
        segmentation={"size": [60, 80], "counts": triton.tensors["segmentation"][1].decode()},
        bbox_xywh=(0, 35, 79, 24),
        area=2000,
        predicted_iou=0.875,
        stability_score=0.625,
        point_coords=(40.0, 50.0),
        crop_box_xywh=(0, 0, 80, 60),
        class_id=0,
        class_name="road",
        class_proposals=("road", "sidewalk"),
        vote_share=0.75,
    )
    # Padding is not a proposal.
    assert result.masks[0].class_proposals == ("sky",)
    for mask, drawn in zip(result.masks, MASKS, strict=True):
        np.testing.assert_array_equal(mask.decode(), drawn)


def test_an_image_without_masks_is_a_result(triton: FakeTriton, jpeg: bytes) -> None:
    per_image = {"size", "semantic_map", "branch_map", "labels"}
    triton.tensors = {
        name: array if name in per_image else array[:0] for name, array in triton.tensors.items()
    }
    with SsaClient(triton.url) as client:
        result = client.segment(jpeg)
    assert result.masks == ()
    assert len(result.labels) == 19


@pytest.mark.parametrize(
    ("name", "wrong", "expected"),
    [
        ("area", np.zeros(2, np.int32), r"'area'.*int32 \[2\].*INT32 \[3\]"),
        ("bbox", np.zeros((3, 5), np.int32), r"'bbox'.*\[3, 5\].*\[3, 4\]"),
        ("class_id", np.zeros((3, 1), np.int32), r"'class_id'.*\[3, 1\].*\[3\]"),
        ("semantic_map", np.zeros((80, 60), np.uint16), r"'semantic_map'.*\[80, 60\].*\[60, 80\]"),
    ],
)
def test_a_tensor_of_another_shape_is_named(
    triton: FakeTriton, jpeg: bytes, name: str, wrong: npt.NDArray[np.generic], expected: str
) -> None:
    triton.tensors[name] = wrong
    with SsaClient(triton.url) as client, pytest.raises(ServerError, match=expected):
        client.segment(jpeg)


def test_a_missing_tensor_is_named(triton: FakeTriton, jpeg: bytes, tensors: Tensors) -> None:
    triton.tensors = {name: array for name, array in tensors.items() if name != "vote_share"}
    with SsaClient(triton.url) as client, pytest.raises(ServerError, match="'vote_share'"):
        client.segment(jpeg)
