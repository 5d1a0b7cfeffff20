"""A repository is written whole or not at all."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from tokenizers import Tokenizer

from ssa_backend import specs
from ssa_backend.settings import MaskSettings, RepositorySettings
from ssa_export import repository as repository_module
from ssa_export import tensorrt
from ssa_export.errors import DestinationError, ExportError, MissingToolError, ParityError
from ssa_export.mask_gate import Runner
from ssa_export.onnx_runners import OnnxExport, onnx_runner
from ssa_export.parts import load_parts
from ssa_export.presets import CHECKPOINTS, PRESETS, Preset, find_preset
from ssa_export.repository import ExportOptions, export_repository, replacing
from tests.unit.export import tiny


@pytest.fixture
def preset(sam_folder: Path, segformer_folder: Path) -> Preset:
    masks = MaskSettings(points_per_side=8)
    return Preset("tiny", str(sam_folder), str(segformer_folder), masks)


@pytest.fixture
def engine(preset: Preset, engine_folders: Mapping[str, Path]) -> Preset:
    sources = {part: str(folder) for part, folder in engine_folders.items()}
    return replace(preset, segmenter=None).swapped(sources)


def test_repository_has_everything_that_triton_needs(preset: Preset, tmp_path: Path) -> None:
    steps: list[str] = []
    settings = export_repository(preset, tmp_path / "new" / "repository", steps.append)
    repository = tmp_path / "new" / "repository"
    assert RepositorySettings.load(repository) == settings
    assert settings.masks.points_per_side == 8
    assert not (repository / specs.SSA_ENGINE.name).exists()
    for ensemble in (specs.SSA,):
        assert (repository / ensemble.name / "config.pbtxt").is_file()
        for model in ensemble.models:
            file = "model.py" if model.backend == "python" else "model.onnx"
            assert (repository / model.name / "config.pbtxt").is_file()
            assert (repository / model.name / "1" / file).is_file()
    assert [path.name for path in repository.parent.iterdir()] == ["repository"]
    # A server that runs as another user must be able to read it.
    assert repository.stat().st_mode & 0o055 == 0o055
    assert any(step.startswith("exporting sam_image_encoder") for step in steps)


def test_engine_without_a_closed_set(engine: Preset, tmp_path: Path) -> None:
    steps: list[str] = []
    repository = tmp_path / "repository"
    settings = export_repository(engine, repository, steps.append)
    assert RepositorySettings.load(repository) == settings
    assert settings.segmenter is None
    assert not (repository / specs.SSA.name).exists()
    for ensemble in (specs.SSA_ENGINE, specs.SSA_ENGINE_MASKS):
        assert (repository / ensemble.name / "config.pbtxt").is_file()
        for model in ensemble.models:
            file = "model.py" if model.backend == "python" else "model.onnx"
            version = repository / model.name / "1"
            assert (version / file).is_file()
            assert {path.name for path in version.iterdir()} == {file, *model.files}
    tokenizer = Tokenizer.from_file(
        str(repository / specs.CAPTIONING.name / "1" / specs.CAPTIONING.files[0])
    )
    assert tokenizer.decode(tokenizer.encode("a red car").ids) == "a red car"


def test_cocos_labels_are_said_plainly(
    engine: Preset, segformer_folder: Path, tmp_path: Path
) -> None:
    labels = ("wall-wood", "sky-other-merged", "person", "t-shirt", "tree-merged")
    coco = tiny.save_segformer(tmp_path / "coco", labels)
    parts = load_parts(replace(engine, coco=str(coco), ade20k=str(coco)), lambda message: None)
    settings = parts.settings(engine, "onnxruntime", "fp32")
    assert settings.coco is not None
    assert settings.coco.labels == ("wall", "sky", "person", "t-shirt", "tree")
    assert settings.ade20k is not None
    assert settings.ade20k.labels == labels


def test_preset_that_makes_no_pipeline(preset: Preset, tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="nothing to name masks with; expected a segmenter"):
        export_repository(replace(preset, segmenter=None), tmp_path / "repository")
    with pytest.raises(ExportError, match="has blip of the engine but not coco, ade20k, clip, cli"):
        export_repository(replace(preset, blip="anything"), tmp_path / "repository")
    assert not list(tmp_path.iterdir())


def test_no_step_leaves_anything_when_it_fails(
    preset: Preset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def off(*_: object) -> None:
        raise ParityError("sam_image_encoder: output image_embeddings is off.")

    monkeypatch.setattr(repository_module, "check_parity", off)
    with pytest.raises(ParityError):
        export_repository(preset, tmp_path / "repository")
    assert not list(tmp_path.iterdir())


def test_bad_checkpoint_leaves_an_earlier_repository_alone(preset: Preset, tmp_path: Path) -> None:
    folder = tmp_path / "repository"
    folder.mkdir()
    (folder / "repository.json").write_text("earlier")
    bad = Preset("bad", preset.sam, str(tmp_path / "missing.pth"))
    with pytest.raises(ExportError, match="does not exist"):
        export_repository(bad, folder)
    assert (folder / "repository.json").read_text() == "earlier"
    assert list(tmp_path.iterdir()) == [folder]


def test_earlier_repository_is_replaced(tmp_path: Path) -> None:
    folder = tmp_path / "repository"
    folder.mkdir()
    (folder / "repository.json").touch()
    (folder / "stale").touch()
    with replacing(folder) as staging:
        (staging / "fresh").touch()
    assert [path.name for path in folder.iterdir()] == ["fresh"]
    assert list(tmp_path.iterdir()) == [folder]


def test_empty_folder_is_used(tmp_path: Path) -> None:
    with replacing(tmp_path) as staging:
        (staging / "fresh").touch()
    assert [path.name for path in tmp_path.iterdir()] == ["fresh"]


def test_other_folders_and_files_are_left_alone(preset: Preset, tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").touch()
    with pytest.raises(DestinationError, match=r"no repository\.json.*left alone"):
        export_repository(preset, tmp_path)
    with pytest.raises(DestinationError, match="is a file"):
        export_repository(preset, tmp_path / "thesis.tex")
    with pytest.raises(DestinationError, match="cannot be written"):
        export_repository(preset, tmp_path / "thesis.tex" / "repository")
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_tensorrt_that_is_not_installed_is_said_before_any_work(
    preset: Preset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ssa_export.tensorrt.find_spec", lambda name: None)
    with pytest.raises(MissingToolError, match=r"pip install 'ssa-triton\[tensorrt\]'"):
        export_repository(preset, tmp_path / "repository", options=ExportOptions(tensorrt=True))
    assert not list(tmp_path.iterdir())


@pytest.fixture
def fake_plans(monkeypatch: pytest.MonkeyPatch) -> None:
    """All but TensorRT itself: an ONNX file plays the plan."""

    def build(export: OnnxExport, points_per_batch: int, *, fp16: bool) -> None:
        assert (points_per_batch, fp16) == (64, True)
        shutil.copy(export.path, export.version / "model.plan")

    @contextmanager
    def run(path: Path) -> Iterator[Runner]:
        yield onnx_runner(path)

    monkeypatch.setattr(tensorrt, "find_spec", lambda name: True)
    monkeypatch.setattr(tensorrt, "_build_plan", build)
    monkeypatch.setattr(tensorrt, "_plan_runner", run)


@pytest.mark.usefixtures("fake_plans")
def test_plans_take_the_place_of_onnx_files(preset: Preset, tmp_path: Path) -> None:
    steps: list[str] = []
    repository = tmp_path / "repository"
    options = ExportOptions(tensorrt=True, fp16=True)
    settings = export_repository(preset, repository, steps.append, options)
    assert settings.network_backend == "tensorrt"
    assert "the plan of sam_mask_decoder agrees with ONNX to 1.0000" in steps
    for model in (specs.SAM_IMAGE_ENCODER, specs.SAM_MASK_DECODER, specs.SEMANTIC_SEGMENTER):
        assert 'backend: "tensorrt"' in (repository / model.name / "config.pbtxt").read_text()
        assert [file.name for file in (repository / model.name / "1").iterdir()] == ["model.plan"]


@pytest.mark.usefixtures("fake_plans")
def test_plans_of_the_engine(engine: Preset, segformer_folder: Path, tmp_path: Path) -> None:
    steps: list[str] = []
    repository = tmp_path / "repository"
    # Segmenters that are exported sooner than the engine's own.
    engine = engine.swapped({"coco": str(segformer_folder), "ade20k": str(segformer_folder)})
    export_repository(engine, repository, steps.append, ExportOptions(tensorrt=True, fp16=True))
    for model in specs.SSA_ENGINE.models:
        if model.backend == "python":
            continue
        plan = model is not specs.BLIP_TEXT_DECODER
        backend, file = ("tensorrt", "model.plan") if plan else ("onnxruntime", "model.onnx")
        assert f'backend: "{backend}"' in (repository / model.name / "config.pbtxt").read_text()
        assert [path.name for path in (repository / model.name / "1").iterdir()] == [file]
    assert "the plan of clipseg_decoder agrees with ONNX to 1.0000" in steps
    assert "the plan of coco_segmenter agrees with ONNX to 1.0000" in steps


def test_presets() -> None:
    assert find_preset("mini").sam == str(CHECKPOINTS / "mini-sam")
    b5 = find_preset("ade20k-b5")
    assert b5.segmenter == "nvidia/segformer-b5-finetuned-ade-640-640"
    assert (b5.masks.points_per_side, b5.masks.crop_n_layers) == (64, 1)
    small = find_preset("engine-small")
    assert (small.clip, small.segmenter) == ("openai/clip-vit-base-patch32", None)
    assert (small.masks.points_per_side, small.masks.crop_n_layers) == (16, 0)
    assert find_preset("foggy-driving").masks.points_per_side == 128
    for preset in PRESETS.values():
        preset.check_complete()
    assert all(name == preset.name for name, preset in PRESETS.items())
    with pytest.raises(ExportError, match="unknown preset 'ade20k'; known presets: mini,"):
        find_preset("ade20k")
