"""The engine's networks: each equals its source, and together they equal the whole model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
import pytest
import torch
from transformers import Mask2FormerImageProcessorPil, OneFormerImageProcessorPil

from ssa_backend import specs
from ssa_backend.settings import RepositorySettings, SamSettings
from ssa_export import networks
from ssa_export.checkpoints import (
    LoadedClipSeg,
    load_blip,
    load_clip,
    load_clipseg,
    load_segmenter,
)
from ssa_export.networks import Network
from ssa_export.networks.texts import random_texts
from ssa_export.parity import check_parity
from ssa_export.repository import export_network
from tests.unit.export import tiny, tiny_engine

Array = np.ndarray[Any, np.dtype[Any]]
SEED = np.random.SeedSequence(5)


def axes(**parts: Any) -> dict[str, int]:
    return RepositorySettings("", SamSettings(), **parts).axes


def run(network: Network, folder: Path, *inputs: Array) -> Array:
    """The exported file's only output; exporting compares it with its source in every case."""
    session = ort.InferenceSession(export_network(network, folder).path)
    names = [tensor.name for tensor in network.spec.inputs]
    (output,) = session.run(None, dict(zip(names, inputs, strict=True)))
    return np.asarray(output)


def normal(*shape: int) -> Array:
    return np.random.default_rng(SEED).standard_normal(shape).astype(np.float32)


@pytest.mark.parametrize("legacy", [False, True], ids=["end token", "highest id"])
def test_clip(legacy: bool, tmp_path: Path) -> None:
    clip = load_clip(str(tiny_engine.save_clip(tmp_path / "clip", legacy=legacy)))
    pixels = normal(3, 3, tiny_engine.IMAGE_SIZE, tiny_engine.IMAGE_SIZE)
    known = axes(clip=clip.settings)
    images = run(networks.clip_image_encoder(clip, known), tmp_path, pixels)
    rng = np.random.default_rng(SEED)
    ids = random_texts(clip.model.config.text_config)(rng, (4, tiny_engine.CONTEXT))
    texts = run(networks.clip_text_encoder(clip, known), tmp_path, ids)
    with torch.inference_mode():
        whole = clip.model(torch.from_numpy(ids), torch.from_numpy(pixels))
    scores = clip.settings.logit_scale * images @ texts.T
    np.testing.assert_allclose(scores, whole.logits_per_image.numpy(), atol=1e-4)


@pytest.mark.parametrize("legacy", [False, True], ids=["end token", "highest id"])
def test_what_stands_behind_the_end_of_a_text_changes_nothing(legacy: bool, tmp_path: Path) -> None:
    clip = load_clip(str(tiny_engine.save_clip(tmp_path / "clip", legacy=legacy)))
    network = networks.clip_text_encoder(clip, axes(clip=clip.settings))
    session = ort.InferenceSession(export_network(network, tmp_path).path)
    end = tiny_engine.VOCABULARY - 1
    text = [end - 1, 5, 6, 7, end]
    (alone,) = session.run(None, {"input_ids": np.array([text])})
    for padding in (0, 1, end):
        padded = np.array([[*text, *[padding] * 9], [end - 1, 9, end, *[padding] * 11]])
        (together,) = session.run(None, {"input_ids": padded})
        np.testing.assert_allclose(together[0], alone[0], atol=1e-6)


CLIPSEGS: dict[str, Callable[[], Any]] = {
    "as published": tiny_engine.clipseg_config,
    "condition in the second layer": lambda: tiny_engine.clipseg_config(conditional_layer=1),
    "refined": lambda: tiny_engine.clipseg_config(complex_convolution=True),
}


def at_side(clipseg: LoadedClipSeg, side: int) -> LoadedClipSeg:
    """The same, read at another side than its position embeddings are for."""
    patch = clipseg.model.config.vision_config.patch_size
    settings = replace(clipseg.settings, image_size=side, patches=1 + (side // patch) ** 2)
    return replace(clipseg, settings=settings)


@pytest.mark.parametrize("side", [tiny_engine.IMAGE_SIZE, 80])
@pytest.mark.parametrize("config", CLIPSEGS.values(), ids=CLIPSEGS.keys())
def test_clipseg_in_three_is_clipseg_in_one(
    config: Callable[[], Any], side: int, tmp_path: Path
) -> None:
    folder = tiny_engine.save_clipseg(tmp_path / "clipseg", config())
    clipseg = at_side(load_clipseg(str(folder)), side)
    known = axes(clipseg=clipseg.settings)
    crops, names = 2, 3
    pixels = normal(crops, 3, side, side)
    rng = np.random.default_rng(SEED)
    ids = random_texts(clipseg.model.config.text_config)(rng, (names, 9))

    activations = run(networks.clipseg_vision_encoder(clipseg, known), tmp_path, pixels)
    texts = run(networks.clipseg_text_encoder(clipseg, known), tmp_path, ids)
    conditions = np.broadcast_to(texts, (crops, *texts.shape))
    logits = run(networks.clipseg_decoder(clipseg, known), tmp_path, activations, conditions)

    for crop in range(crops):
        with torch.inference_mode():
            whole = clipseg.model(
                pixel_values=torch.from_numpy(pixels[crop]).expand(names, -1, -1, -1),
                input_ids=torch.from_numpy(ids),
            )
        np.testing.assert_allclose(logits[crop], whole.logits.numpy(), atol=1e-4)


@pytest.mark.parametrize("end_bias", [0.0, 2.0, 100.0], ids=["long", "mixed", "empty"])
def test_captions_are_what_generate_gives(end_bias: float, tmp_path: Path) -> None:
    blip = load_blip(str(tiny_engine.save_blip(tmp_path / "blip", end_bias=end_bias)))
    known = axes(blip=blip.settings)
    encoder = export_network(networks.blip_vision_encoder(blip, known), tmp_path)
    decoder = export_network(networks.blip_text_decoder(blip, known), tmp_path)
    encode, decode = (ort.InferenceSession(export.path) for export in (encoder, decoder))
    rng = np.random.default_rng(SEED)
    size = blip.settings.image_size
    for batch in (1, 2, 5):
        pixels = rng.standard_normal((batch, 3, size, size)).astype(np.float32)
        (embeds,) = encode.run(None, {"pixel_values": pixels})
        (tokens,) = decode.run(None, {"image_embeds": embeds})
        with torch.inference_mode():
            # The start token counts. By default transformers 5 goes one further than 4 did.
            generated = blip.model.generate(torch.from_numpy(pixels), max_length=20)
        np.testing.assert_array_equal(tokens, generated[:, 1:].numpy())
        assert tokens.dtype == np.int64


def test_captions_end_one_by_one(tmp_path: Path) -> None:
    """A caption that has ended is padded until the last one has."""
    blip = load_blip(str(tiny_engine.save_blip(tmp_path / "blip", end_bias=2.0)))
    network = networks.blip_text_decoder(blip, axes(blip=blip.settings))
    embeds = 3 * normal(16, blip.settings.patches, blip.settings.width)
    tokens = run(network, tmp_path, embeds)
    config = blip.model.config.text_config
    lengths = [[*row, config.sep_token_id].index(config.sep_token_id) for row in tokens.tolist()]
    assert len(set(lengths)) > 1
    for row, length in zip(tokens, lengths, strict=True):
        assert set(row[length + 1 :]) <= {config.pad_token_id}


SEGMENTERS: dict[str, tuple[Callable[[Path], Path], Any]] = {
    "oneformer": (tiny_engine.save_oneformer, OneFormerImageProcessorPil),
    "mask2former": (tiny_engine.save_mask2former, Mask2FormerImageProcessorPil),
}


@pytest.fixture(params=list(SEGMENTERS.values()), ids=list(SEGMENTERS))
def mask_classifier(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Any, Any]:
    """A loaded segmenter, and the processor of transformers that knows what to do with it."""
    save, processor = request.param
    return load_segmenter(str(save(tmp_path / "checkpoint"))), processor()


def test_mask_classifiers_take_every_semantic_slot(
    mask_classifier: tuple[Any, Any], tmp_path: Path
) -> None:
    segmenter, _ = mask_classifier
    slots = {
        "segmenter": specs.SEMANTIC_SEGMENTER,
        "coco": specs.COCO_SEGMENTER,
        "ade20k": specs.ADE20K_SEGMENTER,
    }
    first, *others = (
        networks.semantic_segmenter(segmenter, axes(**{part: segmenter.settings}), slot)
        for part, slot in slots.items()
    )
    # Compares with the source at three batch sizes, and raises where they differ.
    exported = export_network(first, tmp_path)
    # What is traced is the same in every slot; names and axes are each slot's own.
    for network in others:
        check_parity(network, exported.path)


def test_mask_classifiers_agree_with_transformers_own_maps(
    mask_classifier: tuple[Any, Any],
) -> None:
    segmenter, processor = mask_classifier
    height, width = segmenter.settings.height, segmenter.settings.width
    pixels = torch.from_numpy(normal(2, 3, height, width))
    inputs = {"pixel_values": pixels}
    if segmenter.model.has_task:
        inputs["task_inputs"] = segmenter.model.task_tokens.expand(2, -1)
    target = (50, 70)
    with torch.inference_mode():
        output = segmenter.model.model(**inputs)
        wanted = processor.post_process_semantic_segmentation(output, [target] * 2)
        logits = segmenter.model(pixel_values=pixels).logits
        grown = torch.nn.functional.interpolate(logits, target, mode="bilinear")
    assert not segmenter.settings.align_corners
    for got, want in zip(grown.argmax(dim=1), wanted, strict=True):
        torch.testing.assert_close(got, want)


def test_oneformer_is_asked_for_what_its_processor_asks(tmp_path: Path) -> None:
    segmenter = load_segmenter(str(tiny_engine.save_oneformer(tmp_path / "oneformer")))
    ids = tiny_engine.clip_tokenizer()("the task is semantic")["input_ids"]
    ids += [0] * (tiny_engine.CONTEXT - len(ids))
    assert segmenter.model.task_tokens.tolist() == [ids]
    assert segmenter.settings.labels == tiny.LABELS
