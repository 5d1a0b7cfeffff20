"""SAM in lower precision: which products are rounded, and that other masks are refused."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import onnx
import pytest
from PIL import Image

from ssa_backend import specs
from ssa_backend.settings import Precision, RepositorySettings
from ssa_export import precision as precision_module
from ssa_export.calibration import IMAGES, calibration_images
from ssa_export.errors import CalibrationError, MissingToolError, ParityError
from ssa_export.presets import Preset
from ssa_export.repository import ExportOptions, export_repository
from tests.unit.backend.example_settings import EXAMPLE

pytest.importorskip("openvino")


@pytest.fixture
def preset(sam_folder: Path, segformer_folder: Path) -> Preset:
    return Preset("tiny", str(sam_folder), str(segformer_folder))


def rounded(repository: Path, model: specs.Model) -> set[str]:
    """The names of the products whose inputs come out of 8 bits."""
    nodes = onnx.load(repository / model.name / "1" / "model.onnx").graph.node
    floats = {node.output[0] for node in nodes if node.op_type == "DequantizeLinear"}
    products = [node for node in nodes if node.op_type in ("MatMul", "Gemm")]
    return {node.name for node in products if floats.issuperset(node.input[:2])}


@pytest.mark.parametrize("precision", ["bf16", "int8"])
def test_the_export_compares_masks_and_says_so(
    precision: Precision, preset: Preset, tmp_path: Path
) -> None:
    steps: list[str] = []
    options = ExportOptions(sam_precision=precision)
    settings = export_repository(preset, tmp_path / "repository", steps.append, options)
    assert (settings.preset, settings.sam_precision) == (f"tiny, {precision}", precision)
    assert RepositorySettings.load(tmp_path / "repository") == settings
    (said,) = (step for step in steps if "mean IoU" in step)
    assert 0.9 <= float(re.findall(r"[0-9.]{6}", said)[0]) <= 1
    accelerated = {
        path.parent.name
        for path in (tmp_path / "repository").glob("*/config.pbtxt")
        if 'name: "openvino"' in path.read_text()
    }
    assert accelerated == {"sam_image_encoder", "sam_mask_decoder"}


def test_eight_bits_are_where_the_weights_meet_the_image(preset: Preset, tmp_path: Path) -> None:
    repository = tmp_path / "repository"
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    rng = np.random.default_rng(0)
    Image.fromarray(rng.integers(0, 256, (48, 64, 3), np.uint8)).save(pictures / "a.png")
    options = ExportOptions(sam_precision="int8", calibration_images=pictures)
    export_repository(preset, repository, options=options)
    encoder = {name.split("/", 3)[-1] for name in rounded(repository, specs.SAM_IMAGE_ENCODER)}
    assert encoder == {
        f"{part}/MatMul" for part in ("attn/qkv", "attn/proj", "mlp/lin1", "mlp/lin2")
    }
    drawing = rounded(repository, specs.SAM_MASK_DECODER)
    assert len(drawing) == 2
    assert all(name.startswith("/upscaling/") for name in drawing)
    assert not rounded(repository, specs.SEMANTIC_SEGMENTER)


@pytest.mark.parametrize("precision", ["bf16", "int8"])
def test_masks_that_are_others_are_refused(
    precision: Precision, preset: Preset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(precision_module, "MIN_MEAN_IOU", 1.1)
    options = ExportOptions(sam_precision=precision)
    with pytest.raises(ParityError, match=r"expected at least 1\.1"):
        export_repository(preset, tmp_path / "repository", options=options)
    assert not list(tmp_path.iterdir())


def test_a_missing_openvino_is_said_before_any_work(
    preset: Preset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(precision_module, "find_spec", lambda name: None)
    options = ExportOptions(sam_precision="bf16")
    with pytest.raises(MissingToolError, match=r"pip install 'ssa-triton\[openvino\]'"):
        export_repository(preset, tmp_path / "repository", options=options)
    assert not list(tmp_path.iterdir())


def test_calibration_pictures_are_spread_over_the_folder(tmp_path: Path) -> None:
    for k in range(3 * IMAGES):
        Image.new("RGB", (40, 30), (k, 0, 0)).save(tmp_path / f"{k:02}.png")
    reds = [int(image[0, 0, 0]) for image in calibration_images(tmp_path, EXAMPLE)]
    assert len(reds) == IMAGES
    assert (reds[0], reds[-1]) == (0, 3 * IMAGES - 1)
    assert reds == sorted(set(reds))


def test_calibration_without_pictures_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CalibrationError, match="has no files"):
        calibration_images(tmp_path, EXAMPLE)
    (tmp_path / "notes.txt").write_text("none")
    with pytest.raises(CalibrationError, match=r"notes\.txt is no picture to calibrate with"):
        calibration_images(tmp_path, EXAMPLE)
