from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.export import tiny


@pytest.fixture(scope="session")
def sam_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.save_sam(tmp_path_factory.mktemp("checkpoints") / "tiny-sam")


@pytest.fixture(scope="session")
def segformer_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.save_segformer(tmp_path_factory.mktemp("checkpoints") / "tiny-segformer")


@pytest.fixture(scope="session")
def meta_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.save_meta_sam(tmp_path_factory.mktemp("checkpoints") / "sam_tiny.pth")
