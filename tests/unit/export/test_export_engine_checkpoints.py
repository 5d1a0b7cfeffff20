"""What is read from a good source of the engine, and the one sentence that a bad one gets."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from tokenizers import Tokenizer

from ssa_export.checkpoints import load_blip, load_clip, load_clipseg, load_segmenter
from ssa_export.checkpoints.clipseg import input_side
from ssa_export.checkpoints.source import Source
from ssa_export.checkpoints.tokenizer import read_tokenizer
from ssa_export.errors import CheckpointError
from tests.unit.export import tiny, tiny_engine
from tests.unit.export.test_export_checkpoints import (
    Edit,
    assert_one_sentence,
    edit_json,
    remove,
    truncate,
)

LOADERS: Mapping[str, Callable[[str], Any]] = {
    "coco": load_segmenter,
    "ade20k": load_segmenter,
    "blip": load_blip,
    "clip": load_clip,
    "clipseg": load_clipseg,
}


def test_settings(engine_folders: Mapping[str, Path]) -> None:
    clip = load_clip(str(engine_folders["clip"])).settings
    assert (clip.image_size, clip.embed_dim, clip.context_length) == (32, 12, 20)
    assert clip.logit_scale == pytest.approx(14.2849, abs=1e-3)
    assert clip.mean == pytest.approx((122.7709, 116.746, 104.0937))
    clipseg = load_clipseg(str(engine_folders["clipseg"])).settings
    assert (clipseg.image_size, clipseg.patches, clipseg.layers) == (32, 17, 3)
    assert (clipseg.reduced, clipseg.embed_dim, clipseg.context_length) == (8, 12, 20)
    assert clipseg.mean == (123.675, 116.28, 103.53)
    blip = load_blip(str(engine_folders["blip"])).settings
    assert (blip.image_size, blip.patches, blip.width) == (32, 17, 24)
    assert blip.source == "tiny-blip"
    assert len(blip.sha256) == 64


def test_published_clipsegs_are_read_at_the_side_that_the_original_feeds_them() -> None:
    assert input_side(224) == 512
    assert input_side(128) == 128


@pytest.mark.parametrize(
    ("size", "wanted"),
    [
        ({"shortest_edge": 64, "longest_edge": 107}, (64, 64)),
        ({"shortest_edge": 64, "longest_edge": 128}, (64, 128)),
        ({"height": 32, "width": 96}, (32, 96)),
    ],
    ids=["COCO", "Cityscapes", "fixed"],
)
def test_input_size(
    engine_folders: Mapping[str, Path],
    tmp_path: Path,
    size: dict[str, int],
    wanted: tuple[int, int],
) -> None:
    folder = Path(shutil.copytree(engine_folders["coco"], tmp_path / "oneformer"))
    edit_json("preprocessor_config.json", size=size)(folder)
    settings = load_segmenter(str(folder)).settings
    assert (settings.height, settings.width) == wanted


def test_oneformers_class_names_are_not_fetched(
    engine_folders: Mapping[str, Path], tmp_path: Path
) -> None:
    """The published processors name a file on the Hub."""
    folder = Path(shutil.copytree(engine_folders["coco"], tmp_path / "oneformer"))
    edit_json("preprocessor_config.json", class_info_file="x.json", repo_path="someone/nothing")(
        folder
    )
    assert load_segmenter(str(folder)).settings.labels == tiny.LABELS


@pytest.mark.parametrize(
    ("part", "given", "words"),
    [
        ("clip", "clipseg", "is a 'clipseg' checkpoint; expected CLIP, model_type 'clip'"),
        ("clipseg", "clip", "is a 'clip' checkpoint; expected CLIPSeg, model_type 'clipseg'"),
        ("blip", "clip", "is a 'clip' checkpoint; expected BLIP, model_type 'blip'"),
        ("coco", "blip", "is a 'blip' checkpoint; expected a semantic segmenter, one of"),
        ("clip", "coco", "is a 'oneformer' checkpoint; expected CLIP"),
    ],
)
def test_checkpoint_in_another_slot(
    engine_folders: Mapping[str, Path], part: str, given: str, words: str
) -> None:
    with pytest.raises(CheckpointError) as caught:
        LOADERS[part](str(engine_folders[given]))
    assert_one_sentence(caught.value, words)


def edit_vision(**values: Any) -> Edit:
    def edit(folder: Path) -> None:
        path = folder / "config.json"
        config = json.loads(path.read_text())
        config["vision_config"].update(values)
        path.write_text(json.dumps(config))

    return edit


BROKEN: Mapping[str, tuple[str, Edit, str]] = {
    "no config": ("clip", remove("config.json"), "has no config.json"),
    "no weights": ("blip", remove("model.safetensors"), "has no weights"),
    "truncated weights": ("clipseg", truncate("model.safetensors"), "not a complete safetensors"),
    "weights of another size": ("clip", edit_vision(image_size=64), "its config makes it"),
    "layers missing": ("blip", edit_vision(num_hidden_layers=3), "lacks weight vision_model"),
    "no tokenizer": ("clip", remove("tokenizer.json"), "has no tokenizer; expected tokenizer.json"),
    "no task tokenizer": ("coco", remove("tokenizer.json"), "tiny-oneformer has no tokenizer"),
    "truncated tokenizer": ("blip", truncate("tokenizer.json"), "tokenizer cannot be loaded"),
    "truncated processor": ("clipseg", truncate("processor_config.json"), "image processor cannot"),
    "no processor": ("ade20k", remove("preprocessor_config.json"), "no preprocessor_config.json"),
    "layer that is not there": (
        "clipseg",
        edit_json("config.json", extract_layers=[0, 1, 7]),
        "extracts layers [0, 1, 7]; its vision encoder has the layers 0 to 3",
    ),
    "convolutions that fit no patch": (
        "clipseg",
        edit_json("config.json", use_complex_transposed_convolution=True),
        "lacks weight decoder.transposed_convolution",
    ),
}


@pytest.mark.parametrize(("part", "edit", "words"), BROKEN.values(), ids=BROKEN.keys())
def test_broken_folder(
    engine_folders: Mapping[str, Path], tmp_path: Path, part: str, edit: Edit, words: str
) -> None:
    source = engine_folders[part]
    folder = Path(shutil.copytree(source, tmp_path / source.name))
    edit(folder)
    with pytest.raises(CheckpointError) as caught:
        LOADERS[part](str(folder))
    assert_one_sentence(caught.value, words)


@pytest.mark.parametrize("part", ["clip", "clipseg", "blip"])
def test_file_in_place_of_a_folder(tmp_path: Path, part: str) -> None:
    (tmp_path / "weights.pth").touch()
    with pytest.raises(CheckpointError) as caught:
        LOADERS[part](str(tmp_path / "weights.pth"))
    assert_one_sentence(caught.value, "weights.pth is a file; expected a folder")


def test_complex_convolutions_want_patches_of_16(tmp_path: Path) -> None:
    config = tiny_engine.clipseg_config(complex_convolution=True)
    config.vision_config.patch_size = 8
    folder = tiny_engine.save_clipseg(tmp_path / "clipseg", config)
    with pytest.raises(CheckpointError, match="patches of 8 pixels; expected patches of 16"):
        load_clipseg(str(folder))


def test_tokenizer_goes_on_as_it_is(engine_folders: Mapping[str, Path]) -> None:
    folder = engine_folders["clip"]
    assert load_clip(str(folder)).tokenizer == (folder / "tokenizer.json").read_text("utf-8")


def older(folder: Path, target: Path) -> Path:
    """The tokenizer of `folder` in the files that checkpoints carried before `tokenizer.json`."""
    target.mkdir()
    model = json.loads((folder / "tokenizer.json").read_text())["model"]
    shutil.copy(folder / "config.json", target)
    if model["type"] == "BPE":
        (target / "vocab.json").write_text(json.dumps(model["vocab"]))
        (target / "merges.txt").write_text("#version: 0.2\n")
    else:
        words = sorted(model["vocab"], key=model["vocab"].__getitem__)
        (target / "vocab.txt").write_text("\n".join(words) + "\n")
    return target


@pytest.mark.parametrize("part", ["clip", "blip"])
def test_older_tokenizers_are_converted(
    engine_folders: Mapping[str, Path], tmp_path: Path, part: str
) -> None:
    folder = engine_folders[part]
    path = older(folder, tmp_path / part)
    converted = Tokenizer.from_str(read_tokenizer(Source(part, path)))
    original = Tokenizer.from_file(str(folder / "tokenizer.json"))
    text = "a red car on the road"
    assert converted.encode(text).ids == original.encode(text).ids
