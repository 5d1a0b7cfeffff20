"""Tracing a network to ONNX, and laying the file out as Triton reads it."""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import onnx
import torch

from ssa_export.adaptive_pooling import traceable_pooling
from ssa_export.errors import ExportError, ParityError
from ssa_export.networks import Network

OPSET = 17
MODEL_FILE = "model.onnx"
WEIGHTS_FILE = "model.onnx.data"

# Protobuf ends at 2 GiB; the graph beside the weights takes its share.
EXTERNAL_DATA_ABOVE = 2**31 - 2**24


def export_onnx(
    network: Network, version: Path, external_data_above: int = EXTERNAL_DATA_ABOVE
) -> Path:
    """Trace `network` and write it below `version`, a model's version folder in a repository.

    Up to `external_data_above` bytes of weights it is the file `version/model.onnx`; beyond, in
    Triton's layout, the folder `version/model.onnx/` with a `model.onnx` and its weights file.

    Returns:
        The path of the ONNX file itself.

    Raises:
        ExportError: the network cannot be traced.
        ParityError: the exported inputs or outputs are not those of the spec.
    """
    with tempfile.TemporaryDirectory(dir=version) as scratch:
        traced = Path(scratch) / MODEL_FILE
        _trace(network, traced)
        # With its weights in memory, however torch spread them over the scratch folder.
        model = onnx.load(traced)
    _settle_shapes(model, network)
    path = _save(model, version, external_data_above)
    onnx.checker.check_model(path)
    return path


def _trace(network: Network, path: Path) -> None:
    spec = network.spec
    inputs = network.random_inputs(network.cases[0], np.random.default_rng())
    tensors = (*spec.inputs, *spec.outputs)
    varying = {
        tensor.name: {
            position: axis
            for position, axis in enumerate(spec.batched_shape(tensor))
            if isinstance(axis, str) and axis not in network.axes
        }
        for tensor in tensors
    }
    try:
        with _quiet_tracer(), traceable_pooling(), torch.inference_mode():
            torch.onnx.export(
                network.module,
                tuple(torch.from_numpy(array) for array in inputs.values()),
                # As text: with a Path torch refuses to write more than 2 GB.
                str(path),
                input_names=[tensor.name for tensor in spec.inputs],
                output_names=[tensor.name for tensor in spec.outputs],
                dynamic_axes=varying,
                opset_version=OPSET,
                # The dynamo exporter fails on SAM's image encoder.
                dynamo=False,
            )
    except (torch.onnx.errors.OnnxExporterError, RuntimeError) as error:
        # The rest of what torch says is a page of its own call stack.
        reason = str(error).strip().splitlines()[0].split(". ")[0].split("  [")[0]
        raise ExportError(f"{spec.name} cannot be exported to ONNX ({reason}).") from error


@contextmanager
def _quiet_tracer() -> Iterator[None]:
    """Without the tracer's warnings about values that it makes constant.

    Which of them are harmless no warning can say; the comparison with the source, at other
    batch sizes and prompt counts than the traced ones, does.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", torch.jit.TracerWarning)  # type: ignore[attr-defined]
        # This exporter is the older of torch's two, chosen on purpose, and says so at every turn.
        warnings.simplefilter("ignore", DeprecationWarning)
        yield


def _settle_shapes(model: onnx.ModelProto, network: Network) -> None:
    """Check the graph's inputs and outputs against the spec, and give every axis its length.

    Where torch could not work out the length of an output's axis it leaves a name of its own
    making; the spec's length takes its place, and running the model confirms it.
    """
    spec = network.spec
    for kind, values, tensors in (
        ("inputs", model.graph.input, spec.inputs),
        ("outputs", model.graph.output, spec.outputs),
    ):
        got = [value.name for value in values]
        wanted = [tensor.name for tensor in tensors]
        if got != wanted:
            raise ParityError(f"{spec.name} has {kind} {got}; expected {wanted}.")
        for value, tensor in zip(values, tensors, strict=True):
            what = f"{spec.name}: {value.name}"
            elements = onnx.helper.tensor_dtype_to_np_dtype(value.type.tensor_type.elem_type)
            if elements != tensor.numpy_dtype:
                raise ParityError(f"{what} is {elements}; expected {tensor.numpy_dtype}.")
            _settle_axes(what, value.type.tensor_type.shape, network, spec.batched_shape(tensor))


def _settle_axes(
    what: str,
    shape: onnx.TensorShapeProto,
    network: Network,
    axes: tuple[str | int, ...],
) -> None:
    got = [dim.dim_value or dim.dim_param for dim in shape.dim]
    wanted = [network.axes.get(axis, axis) if isinstance(axis, str) else axis for axis in axes]
    fits = len(got) == len(wanted) and all(
        have == want or (isinstance(have, str) and isinstance(want, int))
        for have, want in zip(got, wanted, strict=True)
    )
    if not fits:
        raise ParityError(f"{what} has axes {got}; expected {wanted}.")
    for dim, want in zip(shape.dim, wanted, strict=True):
        if isinstance(want, int):
            dim.dim_value = want


def _save(model: onnx.ModelProto, version: Path, external_data_above: int) -> Path:
    size = sum(len(weight.raw_data) for weight in model.graph.initializer)
    if size <= external_data_above:
        path = version / MODEL_FILE
        onnx.save_model(model, path)
        return path
    folder = version / MODEL_FILE
    folder.mkdir()
    path = folder / MODEL_FILE
    onnx.save_model(
        model, path, save_as_external_data=True, all_tensors_to_one_file=True, location=WEIGHTS_FILE
    )
    return path
