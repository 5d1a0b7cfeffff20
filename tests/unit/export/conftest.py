from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.unit.export import tiny, tiny_engine


@pytest.fixture(scope="session")
def sam_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.save_sam(tmp_path_factory.mktemp("checkpoints") / "tiny-sam")


@pytest.fixture(scope="session")
def segformer_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.save_segformer(tmp_path_factory.mktemp("checkpoints") / "tiny-segformer")


@pytest.fixture(scope="session")
def meta_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.save_meta_sam(tmp_path_factory.mktemp("checkpoints") / "sam_tiny.pth")


@pytest.fixture(scope="session")
def engine_folders(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Path]:
    """A checkpoint for each of the engine's parts, by the part's name."""
    folder = tmp_path_factory.mktemp("engine")
    return {
        "coco": tiny_engine.save_oneformer(folder / "tiny-oneformer"),
        "ade20k": tiny_engine.save_mask2former(folder / "tiny-mask2former"),
        "blip": tiny_engine.save_blip(folder / "tiny-blip"),
        "clip": tiny_engine.save_clip(folder / "tiny-clip"),
        "clipseg": tiny_engine.save_clipseg(folder / "tiny-clipseg"),
    }
