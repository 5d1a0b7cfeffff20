"""An in-process KServe v2 server over real gRPC: strict about requests, scripted in its answers."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import grpc
import numpy as np
import numpy.typing as npt
from tritonclient.grpc import model_config_pb2, service_pb2, service_pb2_grpc
from tritonclient.utils import deserialize_bytes_tensor

from ssa_backend import specs

Tensors = dict[str, npt.NDArray[Any]]
Failure = tuple[grpc.StatusCode, str]

STEP_NS = 1_000_000  # what an ensemble's first step takes by the statistics, the next twice it, ...


class FakeTriton(service_pb2_grpc.GRPCInferenceServiceServicer):  # type: ignore[misc]
    """Serves every pipeline: answers each request with the next of `script`, then with `tensors`.

    A script entry is a status with its message, or seconds to hold the request.
    """

    def __init__(self, tensors: Tensors) -> None:
        self.tensors = tensors
        self.ensembles = {ensemble.name: ensemble for ensemble in specs.ENSEMBLES}
        self.settings: dict[str, Any] = {"sam": {"source": "a-sam", "sha256": "5a"}}
        self.script: list[Failure | float] = []
        self.requests: list[service_pb2.ModelInferRequest] = []
        self.complaints: list[str] = []
        self.arrived = threading.Event()
        self.cancelled = threading.Event()
        self.url = ""
        self.most_at_once = 0
        # What statistics say: of every model and version, as Triton lists them.
        self.counted = {
            name: service_pb2.ModelStatistics(name=name, version="1")
            for ensemble in specs.ENSEMBLES
            for name in (ensemble.name, *(model.name for model in ensemble.models))
        }
        self._at_once = 0
        self._lock = threading.Lock()

    @property
    def images(self) -> list[bytes]:
        """The image of each request."""
        return [
            deserialize_bytes_tensor(request.raw_input_contents[0])[0] for request in self.requests
        ]

    def sent(self, name: str, request: int = 0) -> list[bytes] | None:
        """The values of the BYTES input `name` of a request, None where it was left out."""
        its = self.requests[request]
        for given, content in zip(its.inputs, its.raw_input_contents, strict=True):
            if given.name == name:
                values = [bytes(value) for value in deserialize_bytes_tensor(content)]
                assert list(given.shape) == [len(values)]
                return values
        return None

    def ModelReady(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        return service_pb2.ModelReadyResponse(ready=request.name in self.ensembles)

    def ServerMetadata(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        return service_pb2.ServerMetadataResponse(name="triton", version="2.51.0")

    def ModelMetadata(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        return service_pb2.ModelMetadataResponse(name=request.name, versions=["1"])

    def ModelConfig(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        if request.name not in self.ensembles:
            context.abort(grpc.StatusCode.NOT_FOUND, f"unknown model {request.name!r}")
        config = model_config_pb2.ModelConfig(name=request.name, platform="ensemble")
        for part, value in self.settings.items():
            config.parameters[part].string_value = json.dumps(value)
        return service_pb2.ModelConfigResponse(config=config)

    def ModelStatistics(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        if request.name:
            self.complaints.append("statistics of one model are not scripted")
        with self._lock:
            return service_pb2.ModelStatisticsResponse(model_stats=self.counted.values())

    def ModelInfer(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        with self._lock:
            self.requests.append(request)
            self._at_once += 1
            self.most_at_once = max(self.most_at_once, self._at_once)
            step = self.script.pop(0) if self.script else None
        try:
            ensemble = self._check(request)
            self.arrived.set()
            start_ns = time.perf_counter_ns()
            if isinstance(step, tuple):
                context.abort(*step)
            if isinstance(step, float):
                self._hold(context, step)
            answer = self._answer(request, ensemble)
            self._count(ensemble, time.perf_counter_ns() - start_ns)
            return answer
        finally:
            with self._lock:
                self._at_once -= 1

    def _count(self, ensemble: specs.Ensemble, duration_ns: int) -> None:
        """One request to the ensemble and to each step, of which each calls its models twice."""
        with self._lock:
            self._count_model(ensemble.name, 1, duration_ns)
            steps = {step.model.name: step.model for step in ensemble.steps}
            for i, step in enumerate(steps.values(), start=1):
                self._count_model(step.name, 1, i * STEP_NS)
                for model in step.calls:
                    if model.name not in steps:
                        self._count_model(model.name, 2, STEP_NS)

    def _count_model(self, name: str, calls: int, duration_ns: int) -> None:
        """`calls` more of `duration_ns` in all: a tenth of it each waiting, reading, answering."""
        its = self.counted[name]
        its.inference_count += calls
        its.execution_count += calls
        tenth_ns = duration_ns // 10
        for part, part_ns in (
            ("success", duration_ns),
            ("queue", tenth_ns),
            ("compute_input", tenth_ns),
            ("compute_infer", duration_ns - 3 * tenth_ns),
            ("compute_output", tenth_ns),
        ):
            duration = getattr(its.inference_stats, part)
            duration.count += calls
            duration.ns += part_ns

    def _check(self, request: Any) -> specs.Ensemble:
        """Note what a real server would not accept; the fixture fails the test on it."""
        if request.model_name not in self.ensembles:
            self.complaints.append(f"model {request.model_name!r}")
        ensemble = self.ensembles.get(request.model_name, specs.SSA)
        inputs = [(i.name, i.datatype, len(i.shape)) for i in request.inputs]
        declared = [
            (t.name, t.datatype, len(t.shape))
            for t in ensemble.inputs
            if not t.optional or t.name in {i.name for i in request.inputs}
        ]
        if inputs != declared or list(request.inputs[0].shape) != [1]:
            self.complaints.append(f"inputs {inputs}")
        known = {output.name for output in ensemble.outputs}
        asked = [output.name for output in request.outputs]
        if not set(asked) <= known or len(asked) != len(set(asked)):
            self.complaints.append(f"outputs {asked}")
        return ensemble

    def _answer(self, request: Any, ensemble: specs.Ensemble) -> Any:
        response = service_pb2.ModelInferResponse(model_name=request.model_name)
        for output in request.outputs:
            if output.name not in self.tensors:
                continue
            array = self.tensors[output.name]
            datatype = next(o.datatype for o in ensemble.outputs if o.name == output.name)
            response.outputs.add(name=output.name, datatype=datatype, shape=array.shape)
            response.raw_output_contents.append(_raw(array))
        return response

    def _hold(self, context: grpc.ServicerContext, seconds: float) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if not context.is_active():
                self.cancelled.set()
                return
            time.sleep(0.01)


def _raw(array: npt.NDArray[Any]) -> bytes:
    """A tensor's bytes on the wire; texts each have their length in front."""
    if array.dtype != object:
        return array.tobytes()
    return b"".join(len(text).to_bytes(4, "little") + text for text in array.ravel())


@contextmanager
def serving(triton: FakeTriton, port: int = 0) -> Iterator[FakeTriton]:
    """`triton` on a port of the loopback interface, a free one by default."""
    server = grpc.server(ThreadPoolExecutor(4), options=[("grpc.so_reuseport", 0)])
    service_pb2_grpc.add_GRPCInferenceServiceServicer_to_server(triton, server)
    triton.url = f"127.0.0.1:{server.add_insecure_port(f'127.0.0.1:{port}')}"
    server.start()
    try:
        yield triton
    finally:
        server.stop(grace=None).wait()


def texts(*values: str) -> npt.NDArray[np.object_]:
    """A BYTES tensor [N]."""
    return np.array([value.encode() for value in values], dtype=np.object_)
