"""Parquet, read back with Hugging Face's datasets."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from datasets import Image as ImageFeature
from datasets import load_dataset
from PIL import Image
from pycocotools import mask as coco_mask

from ssa_client.formats import huggingface
from tests.unit.client.command import Outcome
from tests.unit.client.stored_results import SIZES_HW, Results, converted


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")


@pytest.mark.parametrize("shard_bytes", [None, 1])
def test_datasets_reads_images_and_masks(
    stored: Results, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, shard_bytes: int | None
) -> None:
    if shard_bytes:
        monkeypatch.setattr(huggingface, "_SHARD_BYTES", shard_bytes)
        monkeypatch.setattr(huggingface, "_GROUP_BYTES", shard_bytes)
    out = converted(stored, "hf", "--images", stored.images)
    shards = sorted(path.name for path in (out / "data").iterdir())
    assert shards == [f"train-{i:05d}.parquet" for i in range(3 if shard_bytes else 1)]
    dataset = load_dataset(
        "parquet", data_files=str(out / "data" / "*.parquet"), cache_dir=str(tmp_path / "cache")
    )["train"]
    assert isinstance(dataset.features["image"], ImageFeature)
    for row, (file_name, masks, class_names) in zip(dataset, stored.named(), strict=True):
        with Image.open(stored.images / file_name) as image:
            np.testing.assert_array_equal(np.asarray(row["image"]), np.asarray(image))
        assert row["file_name"] == file_name
        assert (row["height"], row["width"]) == SIZES_HW[Path(file_name).stem]
        objects = row["objects"]
        assert [each["category"] for each in objects] == class_names
        assert [each["confidence"] for each in objects] == stored.confidences[file_name]
        for each, mask in zip(objects, masks, strict=True):
            np.testing.assert_array_equal(coco_mask.decode(each["segmentation"]), mask)
            assert each["area"] == mask.sum()
            assert each["bbox"] == coco_mask.toBbox(each["segmentation"]).tolist()


def test_the_folder_alone_is_a_dataset(stored: Results, tmp_path: Path) -> None:
    out = converted(stored, "hf", "--images", stored.images)
    dataset = load_dataset(str(out), cache_dir=str(tmp_path / "cache"))
    assert list(dataset) == ["train"]
    assert len(dataset["train"]) == len(SIZES_HW)


def test_images_are_wanted(stored: Results, tmp_path: Path) -> None:
    done = Outcome("convert", stored.folder, "--to", "hf", "--out", tmp_path / "out")
    assert done.exit_code == 2
    assert "--images" in done.output
