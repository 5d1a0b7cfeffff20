"""What a tensor, a model and an ensemble are declared with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

__all__ = ["Axis", "Ensemble", "Model", "Step", "Tensor"]

Axis = str | int


@dataclass(frozen=True)
class Tensor:
    """A named array: Triton's datatype and its axes, slowest first."""

    name: str
    datatype: Literal["BYTES", "UINT8", "UINT16", "INT32", "INT64", "FP32"]
    shape: tuple[Axis, ...]
    doc: str = ""
    # An input that a request may leave out.
    optional: bool = False

    @property
    def numpy_dtype(self) -> np.dtype[np.generic]:
        """The numpy dtype of the tensor's elements; `object` for BYTES."""
        kinds = {"BYTES": object, "FP32": np.float32}
        return np.dtype(kinds.get(self.datatype, self.datatype.lower()))

    def dims(self, axes: Mapping[str, int]) -> list[int]:
        """The shape with `axes` filled in and -1 for what varies."""
        return [a if isinstance(a, int) else axes.get(a, -1) for a in self.shape]


@dataclass(frozen=True)
class Model:
    """What Triton serves under one name.

    `max_batch_size` above 0 means that every tensor has one more axis in front, the batch, which
    Triton may fill from several requests. `atol` is the largest absolute difference from the
    PyTorch source that an export may show, relative to the largest absolute value of the output.
    """

    name: str
    backend: Literal["python", "onnxruntime"]
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    max_batch_size: int = 0
    atol: float = 0.0
    # How many of it run side by side, each in its own process and with its share of the cores.
    instances: int = 1
    # Models that a Python step calls itself, through BLS.
    calls: tuple[Model, ...] = ()
    # The parts of `RepositorySettings` that a Python step reads, as parameters of its config.
    settings: tuple[str, ...] = ()
    # Files of its version folder that `ssa export` writes, beside `model.py`.
    files: tuple[str, ...] = ()
    # Whether a Python step takes tensors that lie on a GPU where they are, as CuPy arrays.
    takes_gpu_tensors: bool = False
    # Whether a TensorRT plan can take the place of its ONNX file.
    tensorrt: bool = True

    def batched_shape(self, tensor: Tensor) -> tuple[Axis, ...]:
        """The axes as they stand in an array, the batch included."""
        return ("batch", *tensor.shape) if self.max_batch_size else tensor.shape


@dataclass(frozen=True)
class Step:
    """One model inside an ensemble; `inputs` and `outputs` map its tensors to ensemble tensors.

    A tensor that is not named in the map keeps its own name.
    """

    model: Model
    inputs: Mapping[str, str] = field(default_factory=dict)
    outputs: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Ensemble:
    """A fixed pipeline of models that Triton schedules."""

    name: str
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    steps: tuple[Step, ...]

    @property
    def models(self) -> tuple[Model, ...]:
        """Every model that the ensemble needs, those called through BLS included."""
        found: dict[str, Model] = {}
        for step in self.steps:
            for model in (step.model, *step.model.calls):
                found.setdefault(model.name, model)
        return tuple(found.values())

    @property
    def settings(self) -> frozenset[str]:
        """The parts of `RepositorySettings` without which it cannot be served."""
        return frozenset(part for model in self.models for part in model.settings)
