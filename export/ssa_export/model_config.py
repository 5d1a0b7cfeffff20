"""`config.pbtxt` of every model, generated from `specs` and a repository's settings.

`python -m ssa_export.model_config DIR` rewrites the configs of a repository, with `--check` it
only says whether they have drifted from what the specs and `repository.json` give.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path

from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2

from ssa_backend import specs
from ssa_backend.settings import PRESET, RepositorySettings, to_json
from ssa_backend.specs import Ensemble, Model, Tensor

HEADER = """\
# Generated from ssa_backend/specs and repository.json.
# Change those, then run `make configs`.
"""
VERSION = "1"

# The Python steps are classes of the installed package; Triton only needs to be pointed at them.
STEP_SOURCE = '''"""Triton's way in: the step itself is ssa_backend/steps/{name}.py."""

from ssa_backend.steps.{name} import TritonPythonModel

__all__ = ["TritonPythonModel"]
'''


def model_config(model: Model, settings: RepositorySettings) -> model_config_pb2.ModelConfig:
    """The config of one model, networks on the repository's `network_backend` where they can."""
    is_step = model.backend == "python"
    keeps_backend = is_step or (settings.network_backend == "tensorrt" and not model.tensorrt)
    config = model_config_pb2.ModelConfig(
        name=model.name,
        backend=model.backend if keeps_backend else settings.network_backend,
        max_batch_size=model.max_batch_size,
    )
    _add_tensors(config, model.inputs, model.outputs, settings)
    if model.max_batch_size:
        config.dynamic_batching.SetInParent()
    for group in model.settings:
        config.parameters[group].string_value = to_json(getattr(settings, group))
    if model.takes_gpu_tensors:
        config.parameters["FORCE_CPU_ONLY_INPUT_TENSORS"].string_value = "no"
    is_sam = model in (specs.SAM_IMAGE_ENCODER, specs.SAM_MASK_DECODER)
    if is_sam and settings.sam_precision != "fp32":
        accelerators = config.optimization.execution_accelerators
        accelerators.cpu_execution_accelerator.add(name="openvino")
    # Left to itself, Triton would start two instances of any network on a CPU, two processes.
    kinds = model_config_pb2.ModelInstanceGroup
    kind = kinds.KIND_CPU if is_step else kinds.KIND_AUTO
    config.instance_group.add(count=model.instances, kind=kind)
    return config


def ensemble_config(
    ensemble: Ensemble, settings: RepositorySettings
) -> model_config_pb2.ModelConfig:
    """The config of an ensemble; tensors that a step's maps leave out keep their names.

    Its parameter `PRESET` is for clients, who cannot see `repository.json`.
    """
    config = model_config_pb2.ModelConfig(name=ensemble.name, platform="ensemble")
    config.parameters[PRESET].string_value = json.dumps(settings.preset)
    _add_tensors(config, ensemble.inputs, ensemble.outputs, settings)
    for step in ensemble.steps:
        entry = config.ensemble_scheduling.step.add(model_name=step.model.name, model_version=-1)
        for tensor in step.model.inputs:
            entry.input_map[tensor.name] = step.inputs.get(tensor.name, tensor.name)
        for tensor in step.model.outputs:
            entry.output_map[tensor.name] = step.outputs.get(tensor.name, tensor.name)
    return config


def _add_tensors(
    config: model_config_pb2.ModelConfig,
    inputs: tuple[Tensor, ...],
    outputs: tuple[Tensor, ...],
    settings: RepositorySettings,
) -> None:
    for tensor, entries in (
        *((t, config.input) for t in inputs),
        *((t, config.output) for t in outputs),
    ):
        kind = "STRING" if tensor.datatype == "BYTES" else tensor.datatype
        data_type = model_config_pb2.DataType.Value(f"TYPE_{kind}")
        entry = entries.add(name=tensor.name, data_type=data_type, dims=tensor.dims(settings.axes))
        if tensor.optional:
            entry.optional = True


def served(settings: RepositorySettings) -> list[Ensemble]:
    """The ensembles that a repository with these settings has every part for."""
    return [e for e in specs.ENSEMBLES if e.settings <= settings.parts]


def configs(settings: RepositorySettings) -> Iterator[model_config_pb2.ModelConfig]:
    """Every config of a repository with these settings."""
    models: dict[str, Model] = {}
    for ensemble in served(settings):
        yield ensemble_config(ensemble, settings)
        models.update((model.name, model) for model in ensemble.models)
    for model in models.values():
        yield model_config(model, settings)


def write_configs(repository: Path, settings: RepositorySettings) -> None:
    """Write `repository.json`, every `config.pbtxt` and the Python steps' `model.py`.

    Args:
        repository: the folder; made if it is missing. Exported networks in it stay untouched.
        settings: what the repository serves.
    """
    repository.mkdir(parents=True, exist_ok=True)
    settings.save(repository)
    for config in configs(settings):
        version = repository / config.name / VERSION
        version.mkdir(parents=True, exist_ok=True)
        text = HEADER + text_format.MessageToString(config)
        _config_path(repository, config).write_text(text, encoding="utf-8")
        if config.backend == "python":
            (version / "model.py").write_text(_step_source(config), encoding="utf-8")
        elif config.platform == "ensemble":
            # Triton wants a version folder even where there is nothing to put in it, and git
            # keeps no empty folder.
            (version / ".gitkeep").touch()


def drifted(repository: Path) -> list[Path]:
    """The committed files that differ from what would be generated; configs as messages."""
    wrong = []
    for config in configs(RepositorySettings.load(repository)):
        path = _config_path(repository, config)
        if _parsed(path) != config:
            wrong.append(path)
        source = repository / config.name / VERSION / "model.py"
        if config.backend == "python" and _text(source) != _step_source(config):
            wrong.append(source)
    return wrong


def _config_path(repository: Path, config: model_config_pb2.ModelConfig) -> Path:
    name: str = config.name
    return repository / name / "config.pbtxt"


def _step_source(config: model_config_pb2.ModelConfig) -> str:
    return STEP_SOURCE.format(name=config.name)


def _parsed(path: Path) -> model_config_pb2.ModelConfig | None:
    """The config in a file; None where there is none that can be read."""
    try:
        return text_format.Parse(_text(path), model_config_pb2.ModelConfig())
    except text_format.ParseError:
        return None


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.exists() else ""


def main() -> int:
    """Command line of this module."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("repository", type=Path)
    parser.add_argument("--check", action="store_true", help="say what has drifted, write nothing")
    arguments = parser.parse_args()
    if not arguments.check:
        write_configs(arguments.repository, RepositorySettings.load(arguments.repository))
        return 0
    wrong = drifted(arguments.repository)
    for path in wrong:
        print(f"{path} has drifted: run `make configs`")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
