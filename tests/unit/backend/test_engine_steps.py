"""The engine's Python steps as Triton runs them, with the configs that it would give them."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from ssa_backend import rle
from ssa_backend.engine.noun_phrases import noun_phrases
from ssa_backend.engine.requests import boxes_xywh
from ssa_backend.images import sam_pixel_values, segmenter_pixel_values
from ssa_backend.rle import Runs, runs_of_mask
from tests.fakes import triton_python_backend_utils as pb_utils
from tests.fakes.triton_server import Arrays, FakeServer
from tests.images import encoded
from tests.reference import drawings
from tests.unit.backend.example_settings import ADE20K, BLIP, CLIP, CLIPSEG, COCO, EXAMPLE
from tests.unit.backend.random_masks import random_masks
from tests.unit.backend.tokenizer_files import (
    BLIP_IDS,
    write_blip_tokenizer,
    write_clip_tokenizer,
)

pytestmark = pytest.mark.usefixtures("fake_triton")

SIZE_HW = (60, 90)
RGB = drawings.shapes(0, SIZE_HW)
INVALID, UNAVAILABLE = pb_utils.TritonError.INVALID_ARG, pb_utils.TritonError.UNAVAILABLE
SAID = [BLIP_IDS[word] for word in ["a", "red", "car", "on", "the", "wall", "[SEP]", "[PAD]"]]


def blip_vision_encoder(inputs: Arrays) -> Arrays:
    count = len(inputs["pixel_values"])
    return {"image_embeds": np.zeros((count, BLIP.patches, BLIP.width), np.float32)}


def blip_text_decoder(inputs: Arrays) -> Arrays:
    return {"token_ids": np.array([SAID] * len(inputs["image_embeds"]), np.int64)}


def vectors(count: int, dim: int) -> np.ndarray[Any, Any]:
    return np.random.default_rng(0).random((count, dim), np.float32)


def clip_image_encoder(inputs: Arrays) -> Arrays:
    return {"image_embeds": vectors(len(inputs["pixel_values"]), CLIP.embed_dim)}


def clip_text_encoder(inputs: Arrays) -> Arrays:
    return {"text_embeds": vectors(len(inputs["input_ids"]), CLIP.embed_dim)}


def clipseg_vision_encoder(inputs: Arrays) -> Arrays:
    shape = (len(inputs["pixel_values"]), CLIPSEG.layers, CLIPSEG.patches, CLIPSEG.reduced)
    return {"activations": np.zeros(shape, np.float32)}


def clipseg_text_encoder(inputs: Arrays) -> Arrays:
    return {"conditional_embeds": vectors(len(inputs["input_ids"]), CLIPSEG.embed_dim)}


def clipseg_decoder(inputs: Arrays) -> Arrays:
    batch, names, _ = inputs["conditional_embeds"].shape
    logits = np.zeros((batch, names, CLIPSEG.image_size, CLIPSEG.image_size), np.float32)
    logits[:, 1] = 1  # the second name wins everywhere
    return {"logits": logits}


NETWORKS = {
    function.__name__: function
    for function in (
        *(blip_vision_encoder, blip_text_decoder),
        *(clip_image_encoder, clip_text_encoder),
        *(clipseg_vision_encoder, clipseg_text_encoder, clipseg_decoder),
    )
}


class Step:
    """A step on a fake server, its files beside it."""

    def __init__(self, name: str, folder: Path, **models: Any) -> None:
        version = folder / name / "1"
        version.mkdir(parents=True)
        write_blip_tokenizer(version / "blip_tokenizer.json")
        write_clip_tokenizer(version / "clip_tokenizer.json")
        write_clip_tokenizer(version / "clipseg_tokenizer.json")
        module = importlib.import_module(f"ssa_backend.steps.{name}")
        self._name, self._server = name, FakeServer(EXAMPLE, {**NETWORKS, **models}, folder)
        self.instance = self._server.start(name, module.TritonPythonModel)

    def __call__(self, *batch: Arrays, parameters: Any = ()) -> Any:
        return self._server.infer(self._name, self.instance, batch, parameters)


def texts(*values: str | bytes) -> np.ndarray[Any, Any]:
    return np.array([v.encode() if isinstance(v, str) else v for v in values], object)


def masks(count: int) -> list[Runs]:
    return [runs_of_mask(mask) for mask in random_masks(0, count, SIZE_HW)]


def counts(runs: list[Runs]) -> np.ndarray[Any, Any]:
    return texts(*(rle.encode(r, SIZE_HW) for r in runs))


def image_request(**more: Any) -> Arrays:
    return {"IMAGE": texts(encoded(Image.fromarray(RGB))), **more}


def caption_request(count: int, **more: Any) -> Arrays:
    return {"rgb": RGB, "bbox": boxes_xywh(masks(count), SIZE_HW[0]), **more}


def vote_request(count: int) -> Arrays:
    rng = np.random.default_rng(0)
    return {
        "segmentation": counts(masks(count)),
        "size": np.array(SIZE_HW, np.int32),
        "coco_logits": rng.normal(size=(1, 5, 8, 12)).astype(np.float32),
        "ade20k_logits": rng.normal(size=(1, 6, 6, 10)).astype(np.float32),
    }


def label_request(count: int, **more: Any) -> Arrays:
    return {
        **caption_request(count),
        "segmentation": counts(masks(count)),
        "noun_phrases": np.tile(texts("a car", "the wall", ""), (count, 1)),
        "coco_name": texts(*["tree"] * count),
        "ade20k_name": texts(*["wall"] * count),
        **more,
    }


def test_engine_preprocess_answers_pixels_for_each_network(tmp_path: Path) -> None:
    (reply,) = Step("engine_preprocess", tmp_path)(image_request(CLASSES=texts("a")))
    np.testing.assert_array_equal(reply.outputs["rgb"], RGB)
    for name, expected in (
        ("sam_pixel_values", sam_pixel_values(RGB, EXAMPLE.sam)),
        ("coco_pixel_values", segmenter_pixel_values(RGB, COCO)),
        ("ade20k_pixel_values", segmenter_pixel_values(RGB, ADE20K)),
    ):
        np.testing.assert_array_equal(reply.outputs[name], expected)


def test_given_masks_are_passed_on_with_boxes_and_areas(tmp_path: Path) -> None:
    runs = masks(4)
    (reply,) = Step("engine_masks_preprocess", tmp_path)(image_request(MASKS=counts(runs)))
    assert reply.outputs["segmentation"].tolist() == counts(runs).tolist()
    assert reply.outputs["size"].tolist() == list(SIZE_HW)
    assert reply.outputs["area"].tolist() == [r.area for r in runs]
    np.testing.assert_array_equal(reply.outputs["bbox"], boxes_xywh(runs, SIZE_HW[0]))


def test_no_given_masks_are_fine(tmp_path: Path) -> None:
    (reply,) = Step("engine_masks_preprocess", tmp_path)(image_request(MASKS=texts()))
    assert reply.error is None
    assert reply.outputs["bbox"].shape == (0, 4)


@pytest.mark.parametrize(
    ("inputs", "parameters", "words"),
    [
        ({"CLASSES": ["tree", " "]}, {}, r"CLASSES\[1\] is ' '; expected a name"),
        ({"CLASSES": []}, {}, r"CLASSES has 0 names"),
        ({"CLASSES": [b"\xff"]}, {}, r"CLASSES\[0\] is b'\\xff', which is no UTF-8"),
        ({"IMAGE": [b"hello"]}, {}, "IMAGE is not an image"),
        ({}, {"points_per_sid": 3}, "unknown parameter 'points_per_sid'"),
    ],
)
@pytest.mark.parametrize("name", ["engine_preprocess", "engine_masks_preprocess"])
def test_what_is_wrong_is_found_before_networks_run(
    tmp_path: Path, name: str, inputs: Any, parameters: Any, words: str
) -> None:
    good = image_request()
    if name == "engine_masks_preprocess":
        good["MASKS"] = counts(masks(2))
    bad = {**good, **{key: texts(*value) for key, value in inputs.items()}}
    first, second = Step(name, tmp_path)(bad, good, parameters=[parameters, {}])
    assert first.error.code() is INVALID
    assert first.message.startswith(f"{name}: ")
    with pytest.raises(ValueError, match=words):
        raise ValueError(first.message)
    assert second.error is None


def test_a_broken_given_mask_is_named(tmp_path: Path) -> None:
    bad = image_request(MASKS=texts(*counts(masks(2)), b"\xff"))
    (reply,) = Step("engine_masks_preprocess", tmp_path)(bad)
    assert reply.error.code() is INVALID
    assert reply.message.startswith("engine_masks_preprocess: MASKS[2]: RLE counts")


def test_given_masks_leave_nothing_to_set(tmp_path: Path) -> None:
    request = image_request(MASKS=counts(masks(1)))
    (reply,) = Step("engine_masks_preprocess", tmp_path)(
        request, parameters=[{"points_per_side": 4}]
    )
    assert reply.error.code() is INVALID


def test_captions_and_their_phrases(tmp_path: Path) -> None:
    (reply,) = Step("captioning", tmp_path)(caption_request(3))
    assert reply.outputs["caption"].tolist() == [b"a red car on the wall"] * 3
    assert reply.outputs["noun_phrases"].tolist() == [[b"a red car", b"the wall"]] * 3


def test_phrases_are_padded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    step = Step("captioning", tmp_path)
    sentences = ["a café", "", "a cat and a dog"]
    monkeypatch.setattr(step.instance, "captioner", Sentences(sentences))
    (reply,) = step(caption_request(3))
    assert step.instance.noun_phrases is noun_phrases
    assert reply.outputs["noun_phrases"].tolist() == [
        ["a café".encode(), b""],
        [b"", b""],
        [b"a cat", b"a dog"],
    ]


class Sentences:
    def __init__(self, sentences: list[str]) -> None:
        self._sentences = sentences

    def captions(self, rgb: Any, boxes: Any) -> list[str]:
        return self._sentences


def test_given_classes_need_no_captions(tmp_path: Path) -> None:
    def fail(inputs: Arrays) -> Arrays:
        raise AssertionError

    step = Step("captioning", tmp_path, blip_vision_encoder=fail)
    (reply,) = step(caption_request(2, CLASSES=texts("car")))
    assert reply.outputs["caption"].tolist() == [b"", b""]
    assert reply.outputs["noun_phrases"].tolist() == [[b""], [b""]]


@pytest.mark.parametrize("classes", [None, ["car"]])
def test_an_image_without_masks_goes_through(tmp_path: Path, classes: Any) -> None:
    more = {"CLASSES": texts(*classes)} if classes else {}
    (captioned,) = Step("captioning", tmp_path)(caption_request(0, **more))
    assert captioned.outputs["noun_phrases"].shape == (0, 1)
    request = {**label_request(0), **more, "noun_phrases": captioned.outputs["noun_phrases"]}
    (reply,) = Step("label_decision", tmp_path)(request)
    assert reply.error is None
    assert reply.outputs["class_proposals"].shape == (0, 3)
    (votes,) = Step("engine_voting", tmp_path)(vote_request(0))
    assert reply.outputs["class_name"].shape == votes.outputs["coco_share"].shape == (0,)


def test_both_closed_sets_vote(tmp_path: Path) -> None:
    (reply,) = Step("engine_voting", tmp_path)(vote_request(5))
    assert {name.decode() for name in reply.outputs["coco_name"]} <= set(COCO.labels)
    assert {name.decode() for name in reply.outputs["ade20k_name"]} <= set(ADE20K.labels)
    assert (reply.outputs["coco_share"] > 0.2).all()
    assert (reply.outputs["ade20k_share"] <= 1).all()


def test_labels_with_all_that_speaks_for_them(tmp_path: Path) -> None:
    (reply,) = Step("label_decision", tmp_path)(label_request(5))
    out = reply.outputs
    proposals = out["class_proposals"]
    # The fake CLIPSeg always finds the second proposal.
    assert out["class_name"].tolist() == proposals[:, 1].tolist()
    assert out["clipseg_share"].tolist() == [[0.0, 1.0, 0.0]] * 5
    assert (np.diff(out["clip_score"], axis=1) <= 0).all()
    assert ((out["clip_score"].sum(axis=1) > 0.3) & (out["clip_score"].sum(axis=1) < 1.0001)).all()
    for i in range(5):
        assert set(proposals[i]) <= {b"tree", b"wall", b"a car", b"the wall"}


def test_short_lists_are_padded(tmp_path: Path) -> None:
    request = label_request(3, CLASSES=texts("狗", "car", "car"))
    (reply,) = Step("label_decision", tmp_path)(request)
    assert reply.outputs["class_proposals"][:, 2].tolist() == [b""] * 3
    assert reply.outputs["clip_score"][:, 2].tolist() == [0.0] * 3
    assert {"狗".encode(), b"car"} == set(reply.outputs["class_proposals"][:, :2].ravel())


@pytest.mark.parametrize("network", sorted(NETWORKS))
def test_a_network_that_fails_is_unavailable(tmp_path: Path, network: str) -> None:
    def fail(inputs: Arrays) -> Arrays:
        raise RuntimeError("out of memory")

    name = "captioning" if network.startswith("blip") else "label_decision"
    request = caption_request(2) if name == "captioning" else label_request(2)
    (reply,) = Step(name, tmp_path, **{network: fail})(request)
    assert reply.error.code() is UNAVAILABLE
    assert reply.message == f"{name}: {network}: out of memory"


def test_a_step_opens_only_the_files_it_declares(tmp_path: Path) -> None:
    step = Step("captioning", tmp_path)
    with pytest.raises(KeyError, match=r"captioning declares no file 'clip_tokenizer\.json'"):
        step.instance.file("clip_tokenizer.json")
