"""What is read from a good source, and the one sentence that a bad one gets."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import huggingface_hub
import pytest
import torch
from huggingface_hub.errors import LocalEntryNotFoundError
from safetensors.torch import load_file, save_file
from transformers import MobileViTConfig, MobileViTImageProcessorPil

from ssa_export.checkpoints import load_sam, load_segmenter
from ssa_export.checkpoints.normalisation import normalisation
from ssa_export.errors import CheckpointError
from tests.unit.export import tiny

Edit = Callable[[Path], object]


def test_sam_settings(sam_folder: Path) -> None:
    settings = load_sam(str(sam_folder)).settings
    assert (settings.image_size, settings.embed_dim) == (64, 32)
    assert (settings.embed_size, settings.mask_size) == (8, 32)
    assert settings.mean == (123.675, 116.28, 103.53)
    assert settings.source == "tiny-sam"
    assert len(settings.sha256) == 64


def test_segmenter_settings_come_from_its_own_config(segformer_folder: Path) -> None:
    settings = load_segmenter(str(segformer_folder)).settings
    assert settings.labels == tiny.LABELS
    assert (settings.height, settings.width) == (64, 96)
    assert (settings.logits_height, settings.logits_width) == (16, 24)
    assert settings.std == (58.395, 57.12, 57.375)
    assert settings.align_corners


def test_segmenter_that_reads_bgr(tmp_path: Path) -> None:
    config = MobileViTConfig(
        image_size=64,
        hidden_sizes=[16, 24, 32],
        neck_hidden_sizes=[8, 8, 8, 8, 8, 8, 32],
        aspp_out_channels=8,
        id2label=dict(enumerate(tiny.LABELS)),
    )
    processor = MobileViTImageProcessorPil(
        size={"shortest_edge": 80}, crop_size={"height": 64, "width": 64}
    )
    loaded = load_segmenter(str(tiny.save_segmenter(tmp_path / "mobilevit", config, processor)))
    assert loaded.reads_bgr
    assert not loaded.settings.align_corners
    # It is cropped in the end, and scaled to 0..1 without normalising.
    assert (loaded.settings.height, loaded.settings.width) == (64, 64)
    assert (loaded.settings.mean, loaded.settings.std) == ((0, 0, 0), (255, 255, 255))


@pytest.mark.parametrize(
    ("processor", "mean", "std"),
    [
        ({}, 0, 1),
        ({"do_rescale": True}, 0, 255),
        ({"do_normalize": True}, 0.5, 0.25),
        ({"do_rescale": True, "do_normalize": True}, 127.5, 63.75),
        ({"do_rescale": True, "do_normalize": True, "rescale_factor": 0.5}, 1, 0.5),
    ],
)
def test_normalisation(processor: dict[str, Any], mean: float, std: float) -> None:
    values = {"rescale_factor": 1 / 255, "image_mean": [0.5] * 3, "image_std": [0.25] * 3}
    assert normalisation({**values, **processor}) == ((mean,) * 3, (std,) * 3)


def edit_json(name: str, **values: Any) -> Edit:
    def edit(folder: Path) -> None:
        path = folder / name
        path.write_text(json.dumps({**json.loads(path.read_text()), **values}))

    return edit


def edit_weights(edit: Callable[[dict[str, torch.Tensor]], object]) -> Edit:
    def apply(folder: Path) -> None:
        path = folder / "model.safetensors"
        weights = load_file(path)
        edit(weights)
        save_file(weights, path, metadata={"format": "pt"})

    return apply


def truncate(name: str) -> Edit:
    def edit(folder: Path) -> None:
        path = folder / name
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])

    return edit


def remove(name: str) -> Edit:
    return lambda folder: (folder / name).unlink()


EXTRA = {"vision_encoder.adapter.weight": torch.zeros(2)}
TOKEN = "mask_decoder.iou_token.weight"

BAD_SAMS = {
    "wrong architecture": (edit_json("config.json", model_type="bert"), "is a 'bert' checkpoint"),
    "no model_type": (lambda f: (f / "config.json").write_text("{}"), "names no model_type"),
    "config is no JSON": (truncate("config.json"), "cannot be read as JSON"),
    "no config": (remove("config.json"), "has no config.json"),
    "no weights": (remove("model.safetensors"), "has no weights"),
    "truncated weights": (truncate("model.safetensors"), "not a complete safetensors file"),
    "weight missing": (
        edit_weights(lambda w: w.pop(TOKEN)),
        f"lacks weight {TOKEN}",
    ),
    "weight left over": (edit_weights(lambda w: w.update(EXTRA)), "has no place for"),
    "weight of another shape": (
        edit_weights(lambda w: w.update({TOKEN: torch.zeros(1, 7)})),
        "has shape (1, 7); its config makes it (1, 32)",
    ),
}

BAD_SEGMENTERS = {
    "wrong architecture": (edit_json("config.json", model_type="sam"), "expected a semantic segm"),
    "no config": (remove("config.json"), "has no config.json"),
    "no processor": (remove("preprocessor_config.json"), "has no preprocessor_config.json"),
    "no size": (edit_json("preprocessor_config.json", size=None), "expected a height and a width"),
    "truncated weights": (truncate("model.safetensors"), "not a complete safetensors file"),
    "no segmentation head": (
        edit_weights(lambda w: [w.pop(name) for name in list(w) if "decode_head" in name]),
        "lacks weight decode_head",
    ),
    "labels with a gap": (
        edit_json("config.json", id2label={0: "a", 1: "b", 2: "c", 3: "d", 9: "e"}),
        "expected the ids 0 to 4",
    ),
    "labels of another count": (
        edit_json("config.json", id2label={0: "a", 1: "b"}),
        "its config makes it",
    ),
}


def assert_one_sentence(error: CheckpointError, words: str) -> None:
    assert words in str(error)
    assert "\n" not in str(error)
    assert str(error).endswith(".")


@pytest.mark.parametrize(("edit", "words"), BAD_SAMS.values(), ids=BAD_SAMS.keys())
def test_bad_sam(sam_folder: Path, tmp_path: Path, edit: Edit, words: str) -> None:
    folder = Path(shutil.copytree(sam_folder, tmp_path / "bad"))
    edit(folder)
    with pytest.raises(CheckpointError) as caught:
        load_sam(str(folder))
    assert_one_sentence(caught.value, words)


@pytest.mark.parametrize(("edit", "words"), BAD_SEGMENTERS.values(), ids=BAD_SEGMENTERS.keys())
def test_bad_segmenter(segformer_folder: Path, tmp_path: Path, edit: Edit, words: str) -> None:
    folder = Path(shutil.copytree(segformer_folder, tmp_path / "bad"))
    edit(folder)
    with pytest.raises(CheckpointError) as caught:
        load_segmenter(str(folder))
    assert_one_sentence(caught.value, words)


def test_bad_pth(meta_file: Path, tmp_path: Path) -> None:
    whole = meta_file.read_bytes()
    weights = torch.load(meta_file, weights_only=True)
    contents: dict[str, bytes | dict[str, Any]] = {
        "truncated": whole[: len(whole) // 2],
        "empty": b"",
        "text": b"not a checkpoint at all",
        "other": {"layer.weight": torch.zeros(3)},
        "incomplete": {n: t for n, t in weights.items() if "iou_prediction_head" not in n},
        "extended": {**weights, "mask_decoder.hf_token.weight": torch.zeros(1, 32)},
    }
    for name, content in contents.items():
        path = tmp_path / f"{name}.pth"
        if isinstance(content, bytes):
            path.write_bytes(content)
        else:
            torch.save(content, path)
        with pytest.raises(CheckpointError) as caught:
            load_sam(str(path))
        assert_one_sentence(caught.value, f"{name}.pth")
        assert "segment_anything" in str(caught.value)


def test_truncated_pickled_weights(segformer_folder: Path, tmp_path: Path) -> None:
    for name in ("config.json", "preprocessor_config.json"):
        shutil.copy(segformer_folder / name, tmp_path)
    torch.save(load_file(segformer_folder / "model.safetensors"), tmp_path / "pytorch_model.bin")
    truncate("pytorch_model.bin")(tmp_path)
    with pytest.raises(CheckpointError) as caught:
        load_segmenter(str(tmp_path))
    assert_one_sentence(caught.value, "cannot be loaded")


def test_checkpoint_in_half_precision_in_several_files(sam_folder: Path, tmp_path: Path) -> None:
    model = load_sam(str(sam_folder)).model.half()
    model.save_pretrained(tmp_path, max_shard_size="100KB")
    assert len(list(tmp_path.glob("*.safetensors"))) > 1
    loaded = load_sam(str(tmp_path))
    assert loaded.model.dtype == torch.float32
    assert loaded.settings.sha256 != load_sam(str(sam_folder)).settings.sha256


@pytest.mark.parametrize("source", ["nowhere/to/be/found", "missing.pth", "./gone", "some/x.pth"])
def test_path_that_does_not_exist(source: str) -> None:
    with pytest.raises(CheckpointError, match="does not exist; expected a Hub id"):
        load_sam(source)


def test_pth_is_no_segmenter(meta_file: Path) -> None:
    with pytest.raises(CheckpointError, match="expected a folder"):
        load_segmenter(str(meta_file))


def test_hub_id_is_fetched(sam_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(huggingface_hub, "snapshot_download", lambda *_, **__: str(sam_folder))
    assert load_sam("someone/tiny-sam").settings.source == "someone/tiny-sam"


def test_hub_repository_with_pickled_weights_only(
    segformer_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """nvidia's Segformers are published so."""

    def download(hub_id: str, allow_patterns: list[str]) -> str:
        for name in ("config.json", "preprocessor_config.json"):
            shutil.copy(segformer_folder / name, tmp_path)
        if any(pattern.endswith(".bin") for pattern in allow_patterns):
            weights = load_file(segformer_folder / "model.safetensors")
            torch.save(weights, tmp_path / "pytorch_model.bin")
        return str(tmp_path)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
    assert load_segmenter("someone/segformer").settings.labels == tiny.LABELS


def test_hub_that_cannot_be_reached(monkeypatch: pytest.MonkeyPatch) -> None:
    def download(*_: Any, **__: Any) -> str:
        raise LocalEntryNotFoundError("no connection\nand a second line")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
    with pytest.raises(CheckpointError) as caught:
        load_sam("facebook/sam-vit-base")
    assert_one_sentence(
        caught.value, "could not be fetched from the Hugging Face Hub (no connection)"
    )
