"""Between Triton's Python API and plain functions over arrays.

The only module of the steps that imports `triton_python_backend_utils`, which exists inside a
Triton server alone.
"""

from __future__ import annotations

import json
import traceback
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import triton_python_backend_utils as pb_utils

from ssa_backend.cuda.device import on_gpu
from ssa_backend.errors import InvalidInputError
from ssa_backend.settings import S, from_json
from ssa_backend.specs import Model, Tensor
from ssa_backend.stalls import in_turn

Arrays = dict[str, npt.NDArray[Any]]


class ModelCallError(RuntimeError):
    """A model that a step called answered with an error."""


class Step(ABC):
    """A Python step of an ensemble: subclasses name their `spec` and write `setup` and `run`.

    Errors are handled here, once: what the user did wrong is INVALID_ARGUMENT with the sentence of
    the `InvalidInputError`; anything else is INTERNAL, its traceback goes to the server's log, and
    other requests of the batch are answered as if nothing had happened.
    """

    spec: ClassVar[Model]

    def initialize(self, args: Mapping[str, str]) -> None:
        """Called by Triton once, before the first request."""
        self._parameters = json.loads(args["model_config"])["parameters"]
        self._folder = Path(args["model_repository"]) / args["model_version"]
        self.setup()

    def settings(self, group: str, kind: type[S]) -> S:
        """A part of the repository's settings, from the model's config."""
        return from_json(kind, self._parameters[group]["string_value"])

    def file(self, name: str) -> Path:
        """One of the spec's `files`, which lie beside the step's `model.py`."""
        if name not in self.spec.files:
            raise KeyError(f"{self.spec.name} declares no file {name!r}")
        return self._folder / name

    @abstractmethod
    def setup(self) -> None:
        """Prepare what requests share."""

    @abstractmethod
    def run(self, inputs: Arrays, parameters: Mapping[str, Any]) -> Arrays:
        """Answer one request: arrays by tensor name in, arrays by tensor name out.

        An optional input that the request left out is not among `inputs`.
        """

    def execute(self, requests: list[Any]) -> list[Any]:
        """Called by Triton with a list of requests; answers each of them."""
        with in_turn():
            return [self._respond(request) for request in requests]

    def _respond(self, request: Any) -> Any:
        name = self.spec.name
        try:
            tensors = {t.name: _input(request, t) for t in self.spec.inputs}
            inputs = {k: _to_array(v) for k, v in tensors.items() if v is not None}
            parameters = json.loads(request.parameters() or "{}")
            outputs = self.run(inputs, parameters)
            return pb_utils.InferenceResponse([_to_tensor(t, outputs) for t in self.spec.outputs])
        except InvalidInputError as error:
            return _error(f"{name}: {error}", pb_utils.TritonError.INVALID_ARG)
        except ModelCallError as error:
            return _error(f"{name}: {error}", pb_utils.TritonError.UNAVAILABLE)
        except Exception as error:
            pb_utils.Logger.log_error(f"{name} failed:\n{_traceback(error)}")
            return _error(f"{name} failed: {type(error).__name__}: {error}")


def call_model(model: Model, inputs: Arrays, stay_on_gpu: bool = False) -> Arrays:
    """Run another model of the server (BLS).

    Args:
        model: whom to call.
        inputs: an array for each of its inputs, by name, NumPy's or CuPy's.
        stay_on_gpu: leave outputs that the model makes on a GPU there.

    Returns:
        An array for each of its outputs, by name: NumPy's, or CuPy's for one left on a GPU.

    Raises:
        ModelCallError: the model answered with an error.
    """
    # Without a preference Triton leaves outputs where the model made them.
    memory = pb_utils.PreferredMemory(pb_utils.TRITONSERVER_MEMORY_CPU)
    response = pb_utils.InferenceRequest(
        model_name=model.name,
        requested_output_names=[tensor.name for tensor in model.outputs],
        inputs=[_to_tensor(tensor, inputs) for tensor in model.inputs],
        **({} if stay_on_gpu else {"preferred_memory": memory}),
    ).exec()
    if response.has_error():
        raise ModelCallError(f"{model.name}: {response.error().message()}")
    return {
        tensor.name: _to_array(pb_utils.get_output_tensor_by_name(response, tensor.name))
        for tensor in model.outputs
    }


def run_network(model: Model, *arrays: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """`call_model` for a network of one output, its inputs in the order of its spec."""
    inputs = {tensor.name: array for tensor, array in zip(model.inputs, arrays, strict=True)}
    (output,) = model.outputs
    return call_model(model, inputs)[output.name]


def texts(values: Sequence[str]) -> npt.NDArray[Any]:
    """Texts as BYTES tensors hold them, UTF-8."""
    return np.array([value.encode() for value in values], object)


def _input(request: Any, tensor: Tensor) -> Any:
    return pb_utils.get_input_tensor_by_name(request, tensor.name)


def _to_array(tensor: Any) -> Any:
    """A NumPy array, or a CuPy array where the tensor lies in GPU memory."""
    if tensor.is_cpu():
        return tensor.as_numpy()
    import cupy

    return cupy.from_dlpack(tensor)


def _to_tensor(tensor: Tensor, arrays: Arrays) -> Any:
    array = arrays[tensor.name]
    if on_gpu(array):
        import cupy

        array = cupy.ascontiguousarray(array, tensor.numpy_dtype)
        return pb_utils.Tensor.from_dlpack(tensor.name, array)
    return pb_utils.Tensor(tensor.name, np.ascontiguousarray(array, tensor.numpy_dtype))


def _traceback(error: Exception) -> str:
    return "".join(traceback.format_exception(error))


def _error(message: str, code: Any = None) -> Any:
    error = pb_utils.TritonError(message) if code is None else pb_utils.TritonError(message, code)
    return pb_utils.InferenceResponse(error=error)
