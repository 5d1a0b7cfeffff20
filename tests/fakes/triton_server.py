"""Plays the part of Triton around a Python step: its config, its requests, models it may call."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from google.protobuf import json_format
from tritonclient.utils import triton_to_np_dtype

from ssa_backend.settings import RepositorySettings
from ssa_export.model_config import configs
from tests.fakes import triton_python_backend_utils as pb_utils

Arrays = dict[str, npt.NDArray[Any]]
# Arrays by input name in, arrays by output name out; what it raises is the model's error.
Answer = Callable[[Arrays], Arrays]


@dataclass(frozen=True)
class Reply:
    """What a client gets: outputs, or an error."""

    outputs: Arrays
    error: pb_utils.TritonError | None

    @property
    def message(self) -> str:
        assert self.error is not None
        return self.error.message()


class FakeServer:
    """Checks all that passes between a step and Triton against the generated configs.

    Args:
        settings: of the repository.
        models: the networks that a step may call.
        folder: where the files of the steps' version folders are.
    """

    def __init__(
        self,
        settings: RepositorySettings,
        models: Mapping[str, Answer],
        folder: Path = Path("nowhere"),
    ) -> None:
        self._folder = folder
        self._configs = {config.name: _as_triton_gives_it(config) for config in configs(settings)}
        self._models = models

    def start(self, name: str, step: type[Any]) -> Any:
        """An instance of the step, initialised as Triton does it."""
        instance = step()
        instance.initialize(
            {
                "model_config": json.dumps(self._configs[name]),
                "model_repository": str(self._folder / name),
                "model_name": name,
                "model_version": "1",
                "model_instance_name": f"{name}_0_0",
                "model_instance_kind": "CPU",
                "model_instance_device_id": "0",
            }
        )
        return instance

    def infer(
        self, name: str, instance: Any, batch: Sequence[Arrays], parameters: Sequence[Any] = ()
    ) -> list[Reply]:
        """Hand a batch of requests to a step."""
        config = self._configs[name]
        output_names = [tensor["name"] for tensor in config["output"]]
        requests = []
        for index, inputs in enumerate(batch):
            tensors = [pb_utils.Tensor(key, array) for key, array in inputs.items()]
            _check(f"{name} gets", tensors, config["input"], batched=False)
            requests.append(
                pb_utils.InferenceRequest(
                    model_name=name,
                    requested_output_names=output_names,
                    inputs=tensors,
                    parameters=json.dumps(parameters[index] if parameters else {}),
                )
            )
        pb_utils.Calls.answer = self._called
        responses = instance.execute(requests)
        assert len(responses) == len(requests)
        return [_reply(name, response, config) for response in responses]

    def _called(
        self, name: str, inputs: list[pb_utils.Tensor], output_names: list[str]
    ) -> pb_utils.InferenceResponse:
        if name not in self._models:
            error = pb_utils.TritonError(f"Model '{name}' is not ready.")
            return pb_utils.InferenceResponse(error=error)
        config = self._configs[name]
        batched = config["max_batch_size"] > 0
        _check(f"{name} gets", inputs, config["input"], batched)
        try:
            outputs = self._models[name]({t.name(): t.as_numpy() for t in inputs})
        except Exception as error:
            return pb_utils.InferenceResponse(error=pb_utils.TritonError(str(error)))
        tensors = [pb_utils.Tensor(key, np.ascontiguousarray(outputs[key])) for key in output_names]
        _check(f"{name} gives", tensors, config["output"], batched)
        return pb_utils.InferenceResponse(tensors)


def _as_triton_gives_it(config: Any) -> Any:
    """A config as the JSON that a step's `initialize` gets."""
    values = json_format.MessageToDict(config, preserving_proto_field_name=True)
    values = {"max_batch_size": 0, "parameters": {}, **values}
    for tensor in (*values["input"], *values["output"]):
        tensor["dims"] = [int(d) for d in tensor["dims"]]  # protobuf writes int64 as text
    return values


def _reply(name: str, response: Any, config: Any) -> Reply:
    assert isinstance(response, pb_utils.InferenceResponse)
    error = response.error()
    if error is None:
        _check(f"{name} gives", response.output_tensors(), config["output"], batched=False)
    return Reply({t.name(): t.as_numpy() for t in response.output_tensors()}, error)


def _check(
    who: str, tensors: Sequence[pb_utils.Tensor], declared: Sequence[Any], batched: bool
) -> None:
    """Names, datatypes and shapes against a config's."""
    names, expected = [t.name() for t in tensors], [d["name"] for d in declared]
    missing = {d["name"] for d in declared if not d.get("optional")} - set(names)
    if missing or len(set(names)) < len(names) or not set(names) <= set(expected):
        raise pb_utils.TritonModelException(f"{who} {names}; its config says {expected}")
    by_name = {d["name"]: d for d in declared}
    for tensor in tensors:
        config, array = by_name[tensor.name()], tensor.as_numpy()
        kind = config["data_type"].removeprefix("TYPE_").replace("STRING", "BYTES")
        dims = [-1, *config["dims"]] if batched else config["dims"]
        fits = len(dims) == array.ndim and all(
            d in (-1, n) for d, n in zip(dims, array.shape, strict=True)
        )
        if array.dtype != np.dtype(triton_to_np_dtype(kind)) or not fits:
            raise pb_utils.TritonModelException(
                f"{who} {tensor.name()} as {array.dtype} {array.shape}; "
                f"its config says {kind} {dims}"
            )
