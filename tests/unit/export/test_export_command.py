"""`ssa export` as a person types it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
import typer
from transformers.utils import logging
from typer.testing import CliRunner

from ssa_backend.settings import RepositorySettings
from ssa_client.cli.export import export

app = typer.Typer()
app.command()(export)


@pytest.fixture(autouse=True)
def transformers_logging() -> Iterator[None]:
    """The command quietens transformers for its own process."""
    verbosity = logging.get_verbosity()
    yield
    logging.set_verbosity(verbosity)
    logging.enable_progress_bar()


def ssa_export(*arguments: object) -> tuple[int, str]:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    return result.exit_code, " ".join(result.output.split())


def test_any_part_of_a_preset_can_be_swapped(
    meta_file: Path, segformer_folder: Path, engine_folders: Mapping[str, Path], tmp_path: Path
) -> None:
    repository = tmp_path / "repository"
    parts = {
        "sam": meta_file,
        **dict.fromkeys(("segmenter", "coco", "ade20k"), segformer_folder),
        **{part: engine_folders[part] for part in ("blip", "clip")},
    }
    options = [word for part, source in parts.items() for word in (f"--{part}", source)]
    code, output = ssa_export("--model-repository", repository, *options)
    assert code == 0, output
    assert "exporting sam_image_encoder" in output
    assert "sam_mask_decoder matches to" in output
    settings = RepositorySettings.load(repository)
    assert settings.preset == ", other ".join(["mini", *parts])
    for part, source in parts.items():
        assert getattr(settings, part).source == source.name
    assert settings.clipseg is not None
    assert settings.clipseg.source == "mini-clipseg"


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (
            ("--preset", "ade20k-b0", "--clip", "gone"),
            1,
            "preset 'ade20k-b0, other clip' has clip of the engine but not coco, ade20k, blip",
        ),
        (("--sam", "gone.pth"), 1, "ssa export: gone.pth does not exist"),
        (("--preset", "huge"), 1, "unknown preset 'huge'; known presets: mini"),
        (("--fp16",), 2, "it needs --tensorrt"),
        (("--tensorrt", "--int8"), 2, "it is for the CPU, not with --tensorrt"),
        (("--int8", "--bf16"), 2, "it does not go with --int8"),
        (("--calibration-images", "."), 2, "it needs --int8"),
        (("--int8", "--calibration-images", "gone"), 2, "'gone' does not exist"),
        (("--tensorrt",), 1, "pip install 'ssa-triton[tensorrt]'"),
    ],
)
def test_mistakes_are_one_sentence(
    arguments: tuple[str, ...],
    code: int,
    words: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("ssa_export.tensorrt.find_spec", lambda name: None)
    got, output = ssa_export("--model-repository", tmp_path / "repository", *arguments)
    assert got == code
    assert words in output
    assert "Traceback" not in output
    assert not list(tmp_path.iterdir())
