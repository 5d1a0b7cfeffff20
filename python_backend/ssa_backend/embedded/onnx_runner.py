"""Runs an ONNX model for the `onnxruntime` backend; knows nothing of Triton."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from ssa_backend.errors import InvalidInputError

Arrays = dict[str, NDArray[Any]]

# The same environment variable for all models; a model's own parameter goes before it.
THREADS_VARIABLE = "SSA_ORT_THREADS"
_THREADS_PARAMETER = "intra_op_thread_count"


def thread_budget(parameters: Mapping[str, str], instances: int = 1) -> int:
    """Threads of one run: the model's parameter, else `SSA_ORT_THREADS`, else the usable cores.

    The cores are shared out among the `instances` of the model, which run side by side.

    The parameter is called as NVIDIA's ONNX Runtime backend calls it; 0 means "choose" there too.
    """
    asked = parameters.get(_THREADS_PARAMETER) or os.environ.get(THREADS_VARIABLE) or "0"
    return int(asked) or max(1, len(os.sched_getaffinity(0)) // instances)


def model_file(version_folder: Path) -> Path:
    """The ONNX file of a model version; with external data, Triton's layout has a folder around it.

    Raises:
        FileNotFoundError: neither is there.
    """
    path = version_folder / "model.onnx"
    if path.is_dir():
        path /= "model.onnx"
    if not path.is_file():
        raise FileNotFoundError(f"no ONNX model at {path}")
    return path


class OnnxRunner:
    """One ONNX session, which answers several requests with one run where the model batches."""

    def __init__(
        self,
        path: Path,
        *,
        batches: bool,
        instances: int = 1,
        parameters: Mapping[str, str] | None = None,
        device_id: int | None = None,
    ) -> None:
        """Load the model, one of `instances`; `device_id` is a CUDA device, None means the CPU."""
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = thread_budget(parameters or {}, instances)
        # Threads that wait by spinning would take the cores from the sessions of other stubs.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        providers: list[Any] = ["CPUExecutionProvider"]
        if device_id is not None and "CUDAExecutionProvider" in (
            onnxruntime.get_available_providers()
        ):
            onnxruntime.preload_dlls()
            providers.insert(0, ("CUDAExecutionProvider", {"device_id": device_id}))
        self._session = onnxruntime.InferenceSession(str(path), options, providers=providers)
        self._batches = batches

    def check(self, inputs: Arrays) -> None:
        """Compare a request's shapes with the axes that the network fixes.

        Raises:
            InvalidInputError: names the input, what came and what was expected.
        """
        for expected in self._session.get_inputs():
            shape = inputs[expected.name].shape
            fits = len(shape) == len(expected.shape) and all(
                not isinstance(axis, int) or axis == length
                for axis, length in zip(expected.shape, shape, strict=True)
            )
            if not fits:
                raise InvalidInputError(
                    f"input {expected.name!r} has shape {list(shape)}; "
                    f"the network expects {expected.shape}."
                )

    def run(self, requests: Sequence[Arrays], outputs: Sequence[str]) -> list[Arrays]:
        """The named outputs of every request, in order; one run for all if the model batches."""
        if not self._batches or len(requests) < 2:
            return [self._run(request, outputs) for request in requests]
        joined = {
            name: np.concatenate([request[name] for request in requests]) for name in requests[0]
        }
        ends = np.cumsum([len(next(iter(request.values()))) for request in requests])[:-1]
        parts = {name: np.split(array, ends) for name, array in self._run(joined, outputs).items()}
        return [{name: parts[name][i] for name in outputs} for i in range(len(requests))]

    def _run(self, inputs: Arrays, outputs: Sequence[str]) -> Arrays:
        return dict(zip(outputs, self._session.run(list(outputs), inputs), strict=True))
