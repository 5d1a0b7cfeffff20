"""A model repository in miniature, with every kind of model that the real one has.

`toy` is an ensemble: slow_identity (Python) -> doubler (ONNX, batching) -> caller (Python, which
calls `external`, an ONNX model with external data, through BLS). It gives 2 x + 1.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import tritonclient.grpc as triton
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from ssa_backend.embedded import EmbeddedServer
from ssa_backend.embedded.warm_up import WarmUp

WIDTH = 3

_STEP = """
import time
import triton_python_backend_utils as pb_utils

class TritonPythonModel:
    def execute(self, requests):
        return [self.answer(request) for request in requests]

    def answer(self, request):
        x = pb_utils.get_input_tensor_by_name(request, "x")
{body}
        return pb_utils.InferenceResponse([pb_utils.Tensor("y", y)])
"""

# Long enough that a killed stub always has a request in hand.
_SLOW_IDENTITY = """
        time.sleep(0.02)
        y = x.as_numpy()
"""

_CALLER = """
        call = pb_utils.InferenceRequest(
            model_name="external", requested_output_names=["y"], inputs=[x]
        )
        response = call.exec()
        if response.has_error():
            return pb_utils.InferenceResponse(error=response.error())
        y = pb_utils.get_output_tensor_by_name(response, "y").as_numpy()
"""


def rows(*values: float) -> NDArray[np.float32]:
    """One row for each value, filled with it: an `x` of every toy model."""
    return np.repeat(np.array(values, np.float32)[:, None], WIDTH, axis=1)


def infer(url: str, model: str, x: NDArray[np.float32]) -> dict[str, NDArray[Any]]:
    """Every output of a toy model, by name."""
    x_input = triton.InferInput("x", list(x.shape), "FP32").set_data_from_numpy(x)
    with triton.InferenceServerClient(url) as client:
        result = client.infer(model, [x_input], client_timeout=10.0)
    return {out.name: result.as_numpy(out.name) for out in result.get_response().outputs}


def warm_up_toy(url: str) -> None:
    """A first inference through the ensemble."""
    infer(url, "toy", rows(0))


def toy_server(
    repository: Path, folder: Path, warm_up: WarmUp = warm_up_toy, grpc_port: int = 0
) -> EmbeddedServer:
    """A server on free ports that writes its log into `folder`."""
    return EmbeddedServer(
        repository,
        http_port=0,
        grpc_port=grpc_port,
        metrics_port=0,
        warm_up=warm_up,
        log_file=folder / "server.log",
    )


def write_toy_repository(folder: Path) -> Path:
    """The repository, written into the existing `folder`."""
    (folder / "repository.json").write_text("{}")
    write_python_model(folder, "slow_identity", _STEP.format(body=_SLOW_IDENTITY))
    write_python_model(folder, "caller", _STEP.format(body=_CALLER))
    _write_doubler(folder)
    _write_external(folder)
    _write_unbatched(folder)
    _write_ensemble(folder)
    return folder


def write_python_model(folder: Path, name: str, source: str) -> None:
    """A model without a batch axis of its own: x [n, 3] to y [n, 3]."""
    version = folder / name / "1"
    version.mkdir(parents=True)
    (version / "model.py").write_text(source)
    _write_config(folder, name, 'backend: "python"', dims="[-1, 3]")


def _write_doubler(folder: Path) -> None:
    """y = 2 x, and the number of rows that shared the run, for each row."""
    nodes = [
        helper.make_node("Add", ["x", "x"], ["y"]),
        helper.make_node("Shape", ["x"], ["rows"], start=0, end=1),
        helper.make_node("Concat", ["rows", "one"], ["shape"], axis=0),
        helper.make_node("Expand", ["rows", "shape"], ["run_rows"]),
    ]
    outputs = [
        helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", WIDTH]),
        helper.make_tensor_value_info("run_rows", TensorProto.INT64, ["n", 1]),
    ]
    one = numpy_helper.from_array(np.array([1], np.int64), "one")
    _write_onnx(folder / "doubler" / "1" / "model.onnx", nodes, outputs, [one])
    _write_config(
        folder,
        "doubler",
        'backend: "onnxruntime" max_batch_size: 8 '
        "dynamic_batching { max_queue_delay_microseconds: 200000 }"
        'output { name: "run_rows" data_type: TYPE_INT64 dims: [1] }',
        dims="[3]",
    )


def _write_external(folder: Path) -> None:
    """y = x + 1, with the 1 in a file beside the model."""
    path = folder / "external" / "1" / "model.onnx" / "model.onnx"
    ones = numpy_helper.from_array(np.ones(WIDTH, np.float32), "ones")
    node = helper.make_node("Add", ["x", "ones"], ["y"])
    output = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", WIDTH])
    _write_onnx(path, [node], [output], [ones], weights="weights.bin")
    _write_config(folder, "external", 'backend: "onnxruntime"', dims="[-1, 3]")


def _write_unbatched(folder: Path) -> None:
    """y = -x for two rows or any multiple: other numbers of rows fail while the network runs."""
    nodes = [
        helper.make_node("Reshape", ["x", "pairs"], ["paired"]),
        helper.make_node("Reshape", ["paired", "flat"], ["rows"]),
        helper.make_node("Neg", ["rows"], ["y"]),
    ]
    output = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["m", WIDTH])
    shapes = [
        numpy_helper.from_array(np.array([-1, 2, WIDTH], np.int64), "pairs"),
        numpy_helper.from_array(np.array([-1, WIDTH], np.int64), "flat"),
    ]
    _write_onnx(folder / "unbatched" / "1" / "model.onnx", nodes, [output], shapes)
    # Wider than the network: what it makes of a wrong width is for the backend to say.
    _write_config(folder, "unbatched", 'backend: "onnxruntime"', dims="[-1, -1]")


def _write_ensemble(folder: Path) -> None:
    (folder / "toy" / "1").mkdir(parents=True)
    chain = [("slow_identity", "x", "a"), ("doubler", "a", "b"), ("caller", "b", "y")]
    steps = ",".join(
        f'{{ model_name: "{model}" model_version: -1 input_map {{ key: "x" value: "{source}" }} '
        f'output_map {{ key: "y" value: "{target}" }} }}'
        for model, source, target in chain
    )
    _write_config(
        folder, "toy", f'platform: "ensemble" ensemble_scheduling {{ step [{steps}] }}', "[-1, 3]"
    )


def _write_onnx(
    path: Path,
    nodes: list[onnx.NodeProto],
    outputs: list[onnx.ValueInfoProto],
    constants: list[onnx.TensorProto],
    weights: str | None = None,
) -> None:
    path.parent.mkdir(parents=True)
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", WIDTH])
    graph = helper.make_graph(nodes, "toy", [x], outputs, constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    onnx.save(model, path, save_as_external_data=bool(weights), location=weights, size_threshold=0)


def _write_config(folder: Path, name: str, text: str, dims: str) -> None:
    (folder / name / "config.pbtxt").write_text(
        f'name: "{name}" {text}\n'
        f'input {{ name: "x" data_type: TYPE_FP32 dims: {dims} }}\n'
        f'output {{ name: "y" data_type: TYPE_FP32 dims: {dims} }}\n'
        + ("" if "ensemble" in text else "instance_group { kind: KIND_CPU count: 1 }\n")
    )
