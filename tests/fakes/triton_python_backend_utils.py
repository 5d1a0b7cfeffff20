"""Triton's Python API, stricter than the real one: what Triton would refuse raises here.

So does what Triton lets through and a client then trips over (outputs of another datatype than
the config's). What is not defined here does not exist: a misspelt name is an AttributeError.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

TRITONSERVER_MEMORY_CPU = 0
TRITONSERVER_MEMORY_GPU = 1

_DTYPES = (
    *("bool", "float16", "float32", "float64"),
    *(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)),
)


class TritonModelException(Exception):  # noqa: N818  the real one's name
    """What the API raises on wrong use."""


class _ErrorCode(enum.Enum):
    UNKNOWN = 0
    INTERNAL = 1
    NOT_FOUND = 2
    INVALID_ARG = 3
    UNAVAILABLE = 4
    UNSUPPORTED = 5
    ALREADY_EXISTS = 6
    CANCELLED = 7


class TritonError:
    UNKNOWN = _ErrorCode.UNKNOWN
    INTERNAL = _ErrorCode.INTERNAL
    NOT_FOUND = _ErrorCode.NOT_FOUND
    INVALID_ARG = _ErrorCode.INVALID_ARG
    UNAVAILABLE = _ErrorCode.UNAVAILABLE
    UNSUPPORTED = _ErrorCode.UNSUPPORTED
    ALREADY_EXISTS = _ErrorCode.ALREADY_EXISTS
    CANCELLED = _ErrorCode.CANCELLED

    def __init__(self, message: str, code: _ErrorCode = _ErrorCode.INTERNAL) -> None:
        if not (isinstance(message, str) and isinstance(code, _ErrorCode)):
            raise TypeError(f"TritonError({message!r}, {code!r})")
        self._message, self._code = message, code

    def message(self) -> str:
        return self._message

    def code(self) -> _ErrorCode:
        return self._code


class Tensor:
    """A named array in host memory."""

    def __init__(self, name: str, array: npt.NDArray[Any], /) -> None:
        if not (isinstance(name, str) and isinstance(array, np.ndarray)):
            raise TypeError(f"Tensor takes a str and an array, not {name!r} and {type(array)}")
        if array.dtype == object:
            if not all(isinstance(element, bytes) for element in array.flat):
                raise TritonModelException(f"{name}: an object array holds bytes only")
        elif array.dtype.name not in _DTYPES:
            raise TritonModelException(f"{name}: dtype {array.dtype} is not supported")
        if not array.flags.c_contiguous:
            raise TritonModelException(f"{name}: the array is not contiguous")
        self._name, self._array = name, array

    def name(self) -> str:
        return self._name

    def as_numpy(self) -> npt.NDArray[Any]:
        return self._array

    def is_cpu(self) -> bool:
        return True


class PreferredMemory:
    def __init__(self, preferred_memory: int, preferred_device_id: int = 0) -> None:
        if preferred_memory not in (TRITONSERVER_MEMORY_CPU, TRITONSERVER_MEMORY_GPU):
            raise TypeError(f"no kind of memory: {preferred_memory!r}")


class InferenceResponse:
    def __init__(
        self, output_tensors: Sequence[Tensor] = (), error: TritonError | None = None
    ) -> None:
        if error is not None and not isinstance(error, TritonError):
            raise TypeError(f"not a TritonError: {error!r}")
        if not all(isinstance(tensor, Tensor) for tensor in output_tensors):
            raise TypeError("output_tensors takes Tensors only")
        self._tensors, self._error = list(output_tensors), error

    def output_tensors(self) -> list[Tensor]:
        return self._tensors

    def has_error(self) -> bool:
        return self._error is not None

    def error(self) -> TritonError | None:
        return self._error


class InferenceRequest:
    """A request that came in, or one to another model (BLS)."""

    def __init__(
        self,
        *,
        model_name: str,
        requested_output_names: Sequence[str],
        inputs: Sequence[Tensor],
        preferred_memory: PreferredMemory | None = None,
        parameters: str = "{}",
    ) -> None:
        if not all(isinstance(tensor, Tensor) for tensor in inputs):
            raise TypeError("inputs takes Tensors only")
        if not requested_output_names:
            raise TritonModelException("requested_output_names is empty")
        self._model, self._parameters = model_name, parameters
        self._inputs, self._outputs = list(inputs), list(requested_output_names)

    def inputs(self) -> list[Tensor]:
        return self._inputs

    def parameters(self) -> str:
        return self._parameters

    def exec(self) -> InferenceResponse:
        if Calls.answer is None:
            raise TritonModelException("this test answers no calls of other models")
        return Calls.answer(self._model, self._inputs, self._outputs)


class Calls:
    """Not of Triton's API: who answers `InferenceRequest.exec`."""

    answer: Callable[[str, list[Tensor], list[str]], InferenceResponse] | None = None


class Logger:
    """Keeps what is logged, as (level, message)."""

    messages: list[tuple[str, str]]

    @staticmethod
    def log_error(message: str, /) -> None:
        if not isinstance(message, str):
            raise TypeError(f"log_error takes a str, not {type(message)}")
        Logger.messages.append(("error", message))


Logger.messages = []


def get_input_tensor_by_name(inference_request: InferenceRequest, name: str) -> Tensor | None:
    return _by_name(inference_request.inputs(), name)


def get_output_tensor_by_name(inference_response: InferenceResponse, name: str) -> Tensor | None:
    return _by_name(inference_response.output_tensors(), name)


def _by_name(tensors: list[Tensor], name: str) -> Tensor | None:
    return next((tensor for tensor in tensors if tensor.name() == name), None)
