"""The Python steps as Triton runs them, with the configs that it would give them."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np
import pytest
from PIL import Image

from ssa_backend import rle
from ssa_backend.images import decode_image, sam_pixel_values, segmenter_pixel_values
from ssa_backend.masks.generation import MaskGenerator
from ssa_backend.rle import runs_of_mask
from ssa_backend.voting import label_masks
from tests.fakes import triton_python_backend_utils as pb_utils
from tests.fakes.triton_server import Arrays, FakeServer
from tests.images import encoded
from tests.reference import analytic_sam, drawings
from tests.unit.backend.example_settings import EXAMPLE, SEGMENTER
from tests.unit.backend.random_masks import random_masks

pytestmark = pytest.mark.usefixtures("fake_triton")

SIZE_HW = (60, 90)
INVALID, UNAVAILABLE, INTERNAL = (
    pb_utils.TritonError.INVALID_ARG,
    pb_utils.TritonError.UNAVAILABLE,
    pb_utils.TritonError.INTERNAL,
)


def run_encoder(inputs: Arrays) -> Arrays:
    return {"image_embeddings": analytic_sam.encode(inputs["pixel_values"])}


def run_decoder(inputs: Arrays) -> Arrays:
    masks, ious = analytic_sam.decode(
        inputs["image_embeddings"],
        inputs["point_coords"],
        inputs["point_labels"],
        inputs["min_iou"].item(),
    )
    return {"low_res_masks": masks, "iou_predictions": ious}


class Step:
    """A step on a fake server."""

    def __init__(self, name: str, **models: Any) -> None:
        module = importlib.import_module(f"ssa_backend.steps.{name}")
        networks = {"sam_image_encoder": run_encoder, "sam_mask_decoder": run_decoder, **models}
        self._name, self._server = name, FakeServer(EXAMPLE, networks)
        self.instance = self._server.start(name, module.TritonPythonModel)

    def __call__(self, *batch: Arrays, parameters: Any = ()) -> Any:
        return self._server.infer(self._name, self.instance, batch, parameters)


def image_bytes(seed: int = 0) -> bytes:
    return encoded(Image.fromarray(drawings.shapes(seed, SIZE_HW)))


def image_request(data: bytes) -> Arrays:
    return {"IMAGE": np.array([data], object)}


def mask_request(seed: int = 0) -> Arrays:
    rgb = drawings.shapes(seed, SIZE_HW)
    embedding = analytic_sam.encode(sam_pixel_values(rgb, EXAMPLE.sam))
    return {"rgb": rgb, "image_embeddings": embedding}


def vote_request(masks: int = 5) -> Arrays:
    logits = np.random.default_rng(0).normal(size=(1, 4, 6, 10)).astype(np.float32)
    runs = [runs_of_mask(mask) for mask in random_masks(0, masks, SIZE_HW)]
    return {
        "logits": logits,
        "segmentation": np.array([rle.encode(r, SIZE_HW) for r in runs], object),
        "size": np.array(SIZE_HW, np.int32),
    }


def test_preprocess_answers_pixels_for_each_network() -> None:
    (reply,) = Step("preprocess")(image_request(image_bytes()))
    rgb = decode_image(image_bytes(), EXAMPLE.images, EXAMPLE.sam)
    np.testing.assert_array_equal(reply.outputs["rgb"], rgb)
    np.testing.assert_array_equal(
        reply.outputs["sam_pixel_values"], sam_pixel_values(rgb, EXAMPLE.sam)
    )
    np.testing.assert_array_equal(
        reply.outputs["segmenter_pixel_values"], segmenter_pixel_values(rgb, SEGMENTER)
    )


def test_a_bad_image_fails_alone() -> None:
    good = image_request(image_bytes())
    first, bad, last = Step("preprocess")(good, image_request(b"hello"), good)
    assert bad.error.code() is INVALID
    assert bad.message.startswith("preprocess: IMAGE is not an image that can be read: 5 bytes")
    for reply in (first, last):
        assert reply.error is None
        assert reply.outputs["rgb"].shape == (*SIZE_HW, 3)
    assert pb_utils.Logger.messages == []


def test_a_wrong_parameter_fails_before_any_network_runs() -> None:
    good = image_request(image_bytes())
    bad, fine = Step("preprocess")(good, good, parameters=[{"points_per_sid": 4}, {}])
    assert bad.error.code() is INVALID
    assert "did you mean 'points_per_side'?" in bad.message
    assert fine.error is None


def test_the_limits_of_the_repository_hold() -> None:
    (reply,) = Step("preprocess")(image_request(encoded(Image.new("RGB", (9, 30)))))
    assert reply.error.code() is INVALID
    assert "at least 10" in reply.message


@pytest.mark.parametrize("parameters", [{}, {"crop_n_layers": "0", "points_per_side": 3}])
def test_mask_generation_answers_what_the_generator_finds(parameters: Any) -> None:
    request = mask_request()
    (reply,) = Step("mask_generation")(request, parameters=[parameters])
    generator = MaskGenerator(EXAMPLE.sam, analytic_sam.encode, analytic_sam.decode)
    expected = generator.generate(
        request["rgb"], request["image_embeddings"], EXAMPLE.masks.updated(parameters)
    )
    assert reply.outputs["segmentation"].tolist() == expected.segmentation
    assert len(expected.segmentation) > 3
    assert reply.outputs["size"].tolist() == list(SIZE_HW)
    for name, array in (
        ("bbox", expected.bbox_xywh),
        ("area", expected.area),
        ("predicted_iou", expected.predicted_iou),
        ("stability_score", expected.stability_score),
        ("point_coords", expected.points),
        ("crop_box", expected.crop_xywh),
    ):
        np.testing.assert_array_equal(reply.outputs[name], array)


def test_an_image_without_masks_is_answered() -> None:
    (reply,) = Step("mask_generation")(mask_request(), parameters=[{"pred_iou_thresh": 1.0}])
    assert reply.error is None
    assert reply.outputs["segmentation"].shape == (0,)
    assert reply.outputs["bbox"].shape == (0, 4)


@pytest.mark.parametrize("network", ["sam_image_encoder", "sam_mask_decoder"])
def test_a_network_that_fails_is_unavailable(network: str) -> None:
    def fail(inputs: Arrays) -> Arrays:
        raise RuntimeError("out of memory")

    (reply,) = Step("mask_generation", **{network: fail})(mask_request())
    assert reply.error.code() is UNAVAILABLE
    assert reply.message == f"mask_generation: {network}: out of memory"


def test_a_network_that_fails_once_fails_one_request() -> None:
    answers = iter([RuntimeError("gone for a moment")])

    def fail_once(inputs: Arrays) -> Arrays:
        for error in answers:
            raise error
        return run_decoder(inputs)

    bad, good = Step("mask_generation", sam_mask_decoder=fail_once)(mask_request(), mask_request(1))
    assert bad.error.code() is UNAVAILABLE
    assert good.error is None


def test_semantic_voting_answers_what_the_vote_says() -> None:
    request = vote_request()
    (reply,) = Step("semantic_voting")(request)
    runs = [rle.decode(counts, SIZE_HW) for counts in request["segmentation"]]
    expected = label_masks(request["logits"][0], runs, SIZE_HW, align_corners=False)
    names = [name.encode() for name in SEGMENTER.labels]
    assert reply.outputs["class_id"].tolist() == expected.class_ids.tolist()
    assert reply.outputs["class_name"].tolist() == [names[i] for i in expected.class_ids]
    assert reply.outputs["class_proposals"].tolist() == [
        [names[i] if i >= 0 else b"" for i in row] for row in expected.proposals
    ]
    np.testing.assert_array_equal(reply.outputs["vote_share"], expected.vote_shares)
    np.testing.assert_array_equal(reply.outputs["semantic_map"], expected.semantic_map)
    np.testing.assert_array_equal(reply.outputs["branch_map"], expected.branch_map)
    assert (expected.semantic_map != expected.branch_map).any()


def test_voting_without_masks_answers_the_maps() -> None:
    (reply,) = Step("semantic_voting")(vote_request(masks=0))
    assert reply.error is None
    assert reply.outputs["class_proposals"].shape == (0, 3)
    np.testing.assert_array_equal(reply.outputs["semantic_map"], reply.outputs["branch_map"])


def test_a_broken_mask_fails_alone() -> None:
    broken = {**vote_request(1), "segmentation": np.array([b"\xff"], object)}
    good, bad = Step("semantic_voting")(vote_request(), broken)
    assert good.error is None
    assert bad.error.code() is INVALID
    assert bad.message.startswith("semantic_voting: RLE counts")


def test_the_unexpected_is_internal_and_its_traceback_is_only_logged(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    step = Step("semantic_voting")
    run = step.instance.run

    def fail_on_two_masks(inputs: Arrays, parameters: Any) -> Any:
        if len(inputs["segmentation"]) == 2:
            raise KeyError("surprise")
        return run(inputs, parameters)

    monkeypatch.setattr(step.instance, "run", fail_on_two_masks)
    bad, good = step(vote_request(2), vote_request(3))
    assert good.error is None
    assert bad.error.code() is INTERNAL
    assert bad.message == "semantic_voting failed: KeyError: 'surprise'"
    ((level, logged),) = pb_utils.Logger.messages
    assert level == "error"
    assert logged.startswith("semantic_voting failed:\nTraceback")
    assert "fail_on_two_masks" in logged
    assert "surprise" in logged


def test_an_output_that_a_step_forgets_is_internal(monkeypatch: pytest.MonkeyPatch) -> None:
    step = Step("preprocess")
    monkeypatch.setattr(step.instance, "run", lambda inputs, parameters: {})
    (reply,) = step(image_request(image_bytes()))
    assert reply.error.code() is INTERNAL
    assert "rgb" in reply.message
