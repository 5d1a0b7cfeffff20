"""Runs an ONNX model with ONNX Runtime."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import onnxruntime

from ssa_backend.embedded.network_runner import Arrays, NetworkRunner

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


class OnnxRunner(NetworkRunner):
    """One ONNX session."""

    runtime = "ONNX Runtime"

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
        threads = thread_budget(parameters or {}, instances)
        options.intra_op_num_threads = threads
        # Threads that wait by spinning would take the cores from the sessions of other stubs.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        providers: list[Any] = ["CPUExecutionProvider"]
        if device_id is not None and "CUDAExecutionProvider" in (
            onnxruntime.get_available_providers()
        ):
            onnxruntime.preload_dlls()
            providers.insert(0, ("CUDAExecutionProvider", {"device_id": device_id}))
        self._session = onnxruntime.InferenceSession(str(path), options, providers=providers)
        axes = {i.name: i.shape for i in self._session.get_inputs()}
        super().__init__(axes, batches=batches, threads=threads)

    def _run(self, inputs: Arrays, outputs: Sequence[str]) -> Arrays:
        return dict(zip(outputs, self._session.run(list(outputs), inputs), strict=True))
