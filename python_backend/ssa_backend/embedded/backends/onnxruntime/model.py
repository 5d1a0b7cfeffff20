"""Triton's `onnxruntime` backend as a Python-based one, for the embedded server.

Triton runs this file for every model whose config says `backend: "onnxruntime"`. Being a backend,
not a step, it speaks to `triton_python_backend_utils` itself.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import triton_python_backend_utils as pb_utils

from ssa_backend.embedded.network_runner import Arrays, NetworkRunner
from ssa_backend.embedded.onnx_runner import OnnxRunner, model_file
from ssa_backend.embedded.openvino_runner import OpenVinoRunner
from ssa_backend.errors import InvalidInputError
from ssa_backend.stalls import in_turn


class TritonPythonModel:
    """One instance of an ONNX model."""

    def initialize(self, args: dict[str, str]) -> None:
        """Load `<model>/<version>/model.onnx`."""
        config = json.loads(args["model_config"])
        self._name: str = config["name"]
        self._inputs: list[str] = [tensor["name"] for tensor in config["input"]]
        self._runner = _load(args, config)
        pb_utils.Logger.log_info(
            f"{args['model_instance_name']}: {self._runner.runtime}, "
            f"CPU threads of a run: {self._runner.threads}"
        )

    def execute(self, requests: list[Any]) -> list[Any]:
        """Answer every request; the good ones share one run if the model batches."""
        with in_turn():
            return self._execute(requests)

    def _execute(self, requests: list[Any]) -> list[Any]:
        responses: list[Any] = [None] * len(requests)
        accepted: dict[int, Arrays] = {}
        for i, request in enumerate(requests):
            try:
                accepted[i] = self._read(request)
            except InvalidInputError as error:
                responses[i] = self._error(str(error), "INVALID_ARG")
        asked = {name for i in accepted for name in requests[i].requested_output_names()}
        try:
            answers = self._runner.run(list(accepted.values()), sorted(asked))
        # The boundary to the network: whatever went wrong in it is the answer to its requests.
        except Exception as error:
            for i in accepted:
                responses[i] = self._error(f"running the network failed: {error}")
            return responses
        for i, arrays in zip(accepted, answers, strict=True):
            responses[i] = pb_utils.InferenceResponse(
                [
                    pb_utils.Tensor(name, arrays[name])
                    for name in requests[i].requested_output_names()
                ]
            )
        return responses

    def _read(self, request: Any) -> Arrays:
        arrays = {
            name: pb_utils.get_input_tensor_by_name(request, name).as_numpy()
            for name in self._inputs
        }
        self._runner.check(arrays)
        return arrays

    def _error(self, message: str, code: str = "INTERNAL") -> Any:
        # By name: Triton adds its classes to the module only after this file was imported.
        error = pb_utils.TritonError(
            f"model {self._name!r}: {message}", getattr(pb_utils.TritonError, code)
        )
        return pb_utils.InferenceResponse(error=error)


def _load(args: dict[str, str], config: dict[str, Any]) -> NetworkRunner:
    """The network, on the runtime that the config asks for."""
    path = model_file(Path(args["model_repository"]) / args["model_version"])
    instances = sum(group["count"] for group in config["instance_group"])
    parameters = {
        name: value["string_value"] for name, value in config.get("parameters", {}).items()
    }
    batches = config["max_batch_size"] > 0
    accelerators = config.get("optimization", {}).get("execution_accelerators", {})
    if any(a["name"] == "openvino" for a in accelerators.get("cpu_execution_accelerator", [])):
        return OpenVinoRunner(path, batches=batches, instances=instances, parameters=parameters)
    on_gpu = args["model_instance_kind"] == "GPU"
    device_id = int(args["model_instance_device_id"]) if on_gpu else None
    return OnnxRunner(
        path, batches=batches, instances=instances, parameters=parameters, device_id=device_id
    )
