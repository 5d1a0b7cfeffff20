"""The engine's mini models: their vocabularies, one training step of each, what is committed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer
from transformers import (
    AutoModelForSemanticSegmentation,
    AutoTokenizer,
    BlipForConditionalGeneration,
    CLIPModel,
    CLIPSegForImageSegmentation,
)

from ssa_export.scenes import UNLABELLED, render_scene
from ssa_export.training.crops import (
    BLIP_SIZE,
    CLIP_SIZE,
    CLIPSEG_SIZE,
    CropStore,
    blip_pixels,
    clip_pixels,
    clipseg_pixels,
)
from ssa_export.training.data import SceneStore
from ssa_export.training.loop import Task
from ssa_export.training.mini_blip import BlipTask
from ssa_export.training.mini_clip import ClipTask
from ssa_export.training.mini_clipseg import ClipsegTask, named_pixels
from ssa_export.training.mini_segformer import LABEL_SETS, SegmenterTask
from ssa_export.training.tokenizers import blip_tokenizer, clip_tokenizer, name_texts

CHECKPOINTS = Path(__file__).parents[3] / "export" / "checkpoints"
TEXTS = ["a red car", "Traffic  light's", "日本 naïve", "тротуар", "toilet seat"]
SENTENCES = [["a red car on the road", "a person riding a bicycle"]] * 8


@pytest.fixture(scope="module")
def crops() -> CropStore:
    rng = np.random.default_rng(0)
    count = len(SENTENCES)
    sizes = {"clip": CLIP_SIZE, "blip": BLIP_SIZE, "clipseg": CLIPSEG_SIZE}
    pixels = {n: rng.integers(0, 255, (count, s, s, 3), np.uint8) for n, s in sizes.items()}
    classes = rng.integers(0, 19, (count, CLIPSEG_SIZE, CLIPSEG_SIZE)).astype(np.uint8)
    ids = np.arange(count, dtype=np.uint8)
    colours = np.full(count, 255, np.uint8)
    return CropStore(
        **pixels, clipseg_classes=classes, class_ids=ids, colours=colours, captions=SENTENCES
    )


def assert_saved_as_learnt(folder: Path, tokenizer: Any) -> None:
    """The file that serving reads gives the same ids as transformers."""
    raw, loaded = (
        Tokenizer.from_file(str(folder / "tokenizer.json")),
        AutoTokenizer.from_pretrained(folder),
    )
    for text in TEXTS:
        assert raw.encode(text).ids == loaded(text)["input_ids"] == tokenizer(text)["input_ids"]


def test_clips_vocabulary_writes_any_script(tmp_path: Path) -> None:
    tokenizer = clip_tokenizer(name_texts(SENTENCES))
    assert len(tokenizer) <= 1000
    for text in TEXTS:
        ids = tokenizer(text)["input_ids"]
        assert ids[0] == tokenizer.bos_token_id
        assert ids.index(tokenizer.eos_token_id) == len(ids) - 1
        spelt = tokenizer.decode(ids, skip_special_tokens=True).replace(" ", "")
        assert spelt == text.lower().replace(" ", "")
    tokenizer.save_pretrained(tmp_path)
    assert_saved_as_learnt(tmp_path, tokenizer)


def test_blips_vocabulary_has_its_special_tokens(tmp_path: Path) -> None:
    tokenizer = blip_tokenizer(name_texts(SENTENCES))
    assert tokenizer.pad_token_id == 0
    assert tokenizer.bos_token == "[DEC]"
    ids = tokenizer("a red car")["input_ids"]
    assert ids[-1] == tokenizer.sep_token_id
    assert tokenizer.unk_token_id not in ids
    tokenizer.save_pretrained(tmp_path)
    assert_saved_as_learnt(tmp_path, tokenizer)


def take_a_step(task: Task[Any]) -> None:
    batch = task.batch(np.random.default_rng(0), 0.0)
    loss, figures = task.loss(batch, 0.0)
    loss.backward()  # type: ignore[no-untyped-call]
    assert np.isfinite([float(loss.detach()), *figures.values()]).all()
    grads = [p.grad for p in task.module.parameters() if p.grad is not None]
    assert grads
    assert all(torch.isfinite(grad).all() for grad in grads)


def test_clip_clipseg_and_blip_take_a_step_and_are_saved(crops: CropStore, tmp_path: Path) -> None:
    clip = ClipTask(crops, batch_size=4)
    take_a_step(clip)
    clip.save(clip.module, tmp_path)
    clipseg = ClipsegTask(crops, tmp_path, batch_size=2)
    take_a_step(clipseg)
    # Two texts are one forward pass of the library's own, two crops two.
    batch = clipseg.batch(np.random.default_rng(0), 0.0)
    clipseg.module.eval()
    with torch.no_grad():
        args = batch.pixels, batch.input_ids, batch.attention_mask
        ours = named_pixels(clipseg.module, *args)[1, 2]
        theirs = clipseg.module(
            pixel_values=batch.pixels[1:], input_ids=args[1][5:], attention_mask=args[2][5:]
        ).logits
    torch.testing.assert_close(ours, theirs.reshape(ours.shape), atol=1e-4, rtol=1e-4)
    blip = BlipTask(crops, batch_size=4)
    take_a_step(blip)
    blip.save(blip.module, tmp_path / "blip")
    assert (tmp_path / "blip" / "preprocessor_config.json").is_file()


def test_a_segmenter_learns_nothing_where_its_labels_have_no_name() -> None:
    scene = render_scene(3, (120, 160))
    classes = np.full((1, 1024), UNLABELLED, np.uint8)
    classes[0, : len(scene.instances)] = [instance.class_id for instance in scene.instances]
    store = SceneStore(scene.image[None], scene.instance_map.astype(np.uint16)[None], classes)
    labels = LABEL_SETS["segformer-coco"]
    task = SegmenterTask(store, labels, batch_size=2)
    take_a_step(task)
    seen = set(task.batch(np.random.default_rng(0), 0.0).classes.flatten().tolist())
    assert seen <= {i for i in labels.from_cityscapes if i is not None} | {UNLABELLED}


def test_crops_are_brought_to_size() -> None:
    crop = np.random.default_rng(0).integers(0, 255, (40, 90, 3), np.uint8)
    assert clip_pixels(crop).shape == (CLIP_SIZE, CLIP_SIZE, 3)
    assert blip_pixels(crop).shape == (BLIP_SIZE, BLIP_SIZE, 3)
    assert clipseg_pixels(crop).shape == (CLIPSEG_SIZE, CLIPSEG_SIZE, 3)
    assert clip_pixels(crop[:, :1]).shape == (CLIP_SIZE, CLIP_SIZE, 3)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("segformer-coco", AutoModelForSemanticSegmentation),
        ("segformer-ade20k", AutoModelForSemanticSegmentation),
        ("clip", CLIPModel),
        ("clipseg", CLIPSegForImageSegmentation),
        ("blip", BlipForConditionalGeneration),
    ],
)
def test_committed_models_load_in_single_precision(name: str, kind: Any) -> None:
    folder = CHECKPOINTS / f"mini-{name}"
    model = kind.from_pretrained(folder)
    assert model.dtype == torch.float32
    assert sum(p.numel() for p in model.parameters()) < 1.2e6
    assert (folder / "preprocessor_config.json").is_file()
    if name.startswith("segformer"):
        assert tuple(model.config.id2label.values()) == LABEL_SETS[name].names
    else:
        assert_saved_as_learnt(folder, AutoTokenizer.from_pretrained(folder))
