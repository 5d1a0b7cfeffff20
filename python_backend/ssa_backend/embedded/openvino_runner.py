"""Runs an ONNX model with OpenVINO, in bfloat16 where the processor has it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from ssa_backend.embedded.network_runner import Arrays, NetworkRunner
from ssa_backend.embedded.onnx_runner import thread_budget


class OpenVinoRunner(NetworkRunner):
    """One compiled model."""

    runtime = "OpenVINO"

    def __init__(
        self,
        path: Path,
        *,
        batches: bool,
        instances: int = 1,
        parameters: Mapping[str, str] | None = None,
    ) -> None:
        """Load the model, one of `instances`.

        Raises:
            ModuleNotFoundError: OpenVINO is not installed.
        """
        if find_spec("openvino") is None:
            raise ModuleNotFoundError(
                "this model was exported with --bf16 or --int8, which OpenVINO runs: "
                "pip install 'ssa-triton[openvino]'."
            )
        import openvino

        threads = thread_budget(parameters or {}, instances)
        compiled = openvino.Core().compile_model(
            path,
            "CPU",
            {
                "INFERENCE_PRECISION_HINT": "bf16",
                "INFERENCE_NUM_THREADS": threads,
                "NUM_STREAMS": 1,
                # Instances would all be tied to the same cores.
                "ENABLE_CPU_PINNING": False,
            },
        )
        self._request = compiled.create_infer_request()
        # Not `any_name`: a tensor handed through has the output's name too.
        axes = {i.node.friendly_name: _axes(i.partial_shape) for i in compiled.inputs}
        super().__init__(axes, batches=batches, threads=threads)

    def _run(self, inputs: Arrays, outputs: Sequence[str]) -> Arrays:
        answer = self._request.infer(inputs)
        return {name: answer[name] for name in outputs}


def _axes(shape: Any) -> list[int | str]:
    return [axis.get_length() if axis.is_static else "any" for axis in shape]
