"""The specs fit together, and so do the configs generated from them."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2
from tritonclient.utils import triton_to_np_dtype

from ssa_backend import settings, specs
from ssa_backend.specs import ENSEMBLES, Axis, Ensemble, Model, Tensor
from ssa_export import model_config
from ssa_export.model_config import configs, drifted, served, write_configs
from tests.unit.backend.example_settings import EXAMPLE

MODELS = {model.name: model for ensemble in ENSEMBLES for model in ensemble.models}
SERVED: tuple[Model | Ensemble, ...] = (*MODELS.values(), *ENSEMBLES)
# Axes that vary from request to request.
VARYING = {
    *("height", "width", "prompts", "points", "masks", "proposals"),
    *("vocabulary", "phrases", "names", "tokens", "caption_tokens"),
}


def every_tensor() -> list[Tensor]:
    return [tensor for owner in SERVED for tensor in (*owner.inputs, *owner.outputs)]


@pytest.mark.parametrize("ensemble", ENSEMBLES, ids=lambda ensemble: ensemble.name)
def test_every_ensemble_is_wired(ensemble: Ensemble) -> None:
    """Each step's inputs exist by then, with its datatype and shape; so do the outputs."""
    made: dict[str, tuple[str, tuple[Axis, ...]]] = {
        tensor.name: (tensor.datatype, tensor.shape) for tensor in ensemble.inputs
    }

    def assert_made(owner: str, name: str, datatype: str, shape: tuple[Axis, ...]) -> None:
        assert name in made, f"{owner} reads {name}, which nothing before it gives"
        # A batch of networks is 1 image between steps.
        known = tuple(1 if axis == "batch" else axis for axis in made[name][1])
        wanted = tuple(1 if axis == "batch" else axis for axis in shape)
        assert (made[name][0], known) == (datatype, wanted), f"{owner}: {name}"

    for step in ensemble.steps:
        model = step.model
        assert set(step.inputs) <= {t.name for t in model.inputs}
        assert set(step.outputs) <= {t.name for t in model.outputs}
        for t in model.inputs:
            name = step.inputs.get(t.name, t.name)
            assert_made(model.name, name, t.datatype, model.batched_shape(t))
        for t in model.outputs:
            name = step.outputs.get(t.name, t.name)
            assert name not in made, f"{name} is made twice"
            made[name] = (t.datatype, model.batched_shape(t))
    for t in ensemble.outputs:
        assert_made(ensemble.name, t.name, t.datatype, t.shape)


def test_every_axis_is_known() -> None:
    axes = {a for t in every_tensor() for a in t.shape if isinstance(a, str)}
    assert axes <= {*specs.CHECKPOINT_AXES, *VARYING}
    assert axes >= set(specs.CHECKPOINT_AXES), "an axis that no tensor has"
    assert set(EXAMPLE.axes) == set(specs.CHECKPOINT_AXES)
    assert min(EXAMPLE.axes.values()) > 0


def test_names_are_unique() -> None:
    for owner in SERVED:
        names = [t.name for t in (*owner.inputs, *owner.outputs)]
        assert len(set(names)) == len(names), owner.name
    everyone = [owner.name for owner in SERVED]
    assert len(set(everyone)) == len(everyone)


def test_numpy_dtypes_are_tritons() -> None:
    for tensor in every_tensor():
        assert tensor.numpy_dtype == np.dtype(triton_to_np_dtype(tensor.datatype))


def test_dims_are_numbers_where_the_checkpoint_fixes_them() -> None:
    tensor = Tensor("x", "FP32", ("masks", 3, "sam_size"))
    assert tensor.dims({"sam_size": 64}) == [-1, 3, 64]


@pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)
def test_models_are_complete(model: Model) -> None:
    groups = {field.name for field in dataclasses.fields(settings.RepositorySettings)}
    assert set(model.settings) <= groups
    # Integers must be equal; steps have no PyTorch source to differ from.
    inexact = any(tensor.datatype == "FP32" for tensor in model.outputs)
    assert (model.atol > 0) == (inexact and model.backend != "python")
    assert model.files == () or model.backend == "python"
    assert all(called.name in MODELS for called in model.calls)


def test_configs_say_what_the_specs_say() -> None:
    by_name = {config.name: config for config in configs(EXAMPLE)}
    assert set(by_name) == {*MODELS, *(ensemble.name for ensemble in ENSEMBLES)}
    encoder, step, ssa = (by_name[name] for name in ("sam_image_encoder", "preprocess", "ssa"))
    assert (encoder.backend, encoder.max_batch_size) == ("tensorrt", 4)
    assert encoder.HasField("dynamic_batching")
    assert list(encoder.input[0].dims) == [3, 64, 64]
    assert (step.backend, step.max_batch_size) == ("python", 0)
    assert step.input[0].data_type == model_config_pb2.TYPE_STRING
    restored = settings.from_json(settings.SamSettings, step.parameters["sam"].string_value)
    assert restored == EXAMPLE.sam
    assert ssa.platform == "ensemble"
    steps = {entry.model_name: entry for entry in ssa.ensemble_scheduling.step}
    assert steps["sam_image_encoder"].input_map["pixel_values"] == "sam_pixel_values"
    assert steps["mask_generation"].output_map["segmentation"] == "segmentation"
    engine = by_name["ssa_engine"]
    assert {t.name: t.optional for t in engine.input} == {"IMAGE": False, "CLASSES": True}


def test_ensembles_whose_parts_are_missing_are_not_served() -> None:
    assert served(EXAMPLE) == list(ENSEMBLES)
    assert served(dataclasses.replace(EXAMPLE, clip=None)) == [specs.SSA]
    engine = served(dataclasses.replace(EXAMPLE, segmenter=None))
    assert engine == [specs.SSA_ENGINE, specs.SSA_ENGINE_MASKS]


def parsed(path: Path) -> model_config_pb2.ModelConfig:
    return text_format.Parse(path.read_text("utf-8"), model_config_pb2.ModelConfig())


def test_what_is_written_parses_back(tmp_path: Path) -> None:
    write_configs(tmp_path, EXAMPLE)
    for config in configs(EXAMPLE):
        path = tmp_path / config.name / "config.pbtxt"
        assert path.read_text("utf-8").startswith(model_config.HEADER)
        assert parsed(path) == config
        assert (tmp_path / config.name / "1").is_dir()
        assert (tmp_path / config.name / "1" / "model.py").exists() == (config.backend == "python")
    assert drifted(tmp_path) == []


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("dims: 64", "dims: 65"),
        ("TYPE_FP32", "TYPE_FP16"),
        ('name: "image_embeddings"', 'name: "embeddings"'),
        ("max_batch_size: 4", "max_batch_size: 8"),
        ("dynamic_batching {\n}\n", ""),
    ],
)
def test_a_changed_config_has_drifted(tmp_path: Path, before: str, after: str) -> None:
    write_configs(tmp_path, EXAMPLE)
    path = tmp_path / "sam_image_encoder" / "config.pbtxt"
    text = path.read_text("utf-8")
    assert before in text
    path.write_text(text.replace(before, after, 1), "utf-8")
    assert drifted(tmp_path) == [path]


def test_a_missing_config_has_drifted(tmp_path: Path) -> None:
    write_configs(tmp_path, EXAMPLE)
    path = tmp_path / "ssa" / "config.pbtxt"
    path.unlink()
    assert drifted(tmp_path) == [path]


def test_a_config_that_is_none_has_drifted(tmp_path: Path) -> None:
    write_configs(tmp_path, EXAMPLE)
    path = tmp_path / "ssa" / "config.pbtxt"
    path.write_text("name: ", "utf-8")
    assert drifted(tmp_path) == [path]


def test_a_changed_step_has_drifted(tmp_path: Path) -> None:
    write_configs(tmp_path, EXAMPLE)
    path = tmp_path / "preprocess" / "1" / "model.py"
    path.write_text("raise SystemExit", "utf-8")
    assert drifted(tmp_path) == [path]


def test_changed_settings_drift_where_they_are_read(tmp_path: Path) -> None:
    write_configs(tmp_path, EXAMPLE)
    masks = dataclasses.replace(EXAMPLE.masks, points_per_side=9)
    dataclasses.replace(EXAMPLE, masks=masks).save(tmp_path)
    readers = {
        tmp_path / name / "config.pbtxt"
        for name, model in MODELS.items()
        if "masks" in model.settings
    }
    assert set(drifted(tmp_path)) == readers


def test_comments_and_order_are_no_drift(tmp_path: Path) -> None:
    write_configs(tmp_path, EXAMPLE)
    path = tmp_path / "preprocess" / "config.pbtxt"
    path.write_text("# by hand\n" + path.read_text("utf-8").replace("  ", "\t"), "utf-8")
    assert drifted(tmp_path) == []


def test_the_committed_repository_has_not_drifted(repository: Path) -> None:
    assert drifted(repository) == []
