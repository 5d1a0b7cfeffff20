"""Tracing a network to ONNX, and laying the file out as Triton reads it."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import onnx
import torch

from ssa_export.compaction import compact_weights
from ssa_export.errors import ParityError
from ssa_export.networks import Network
from ssa_export.tracing import trace

MODEL_FILE = "model.onnx"
WEIGHTS_FILE = "model.onnx.data"

# Protobuf ends at 2 GiB; the graph beside the weights takes its share.
EXTERNAL_DATA_ABOVE = 2**31 - 2**24


def export_onnx(
    network: Network,
    version: Path,
    external_data_above: int = EXTERNAL_DATA_ABOVE,
    *,
    compact: bool = False,
) -> Path:
    """Trace `network` and write it below `version`, a model's version folder in a repository.

    Up to `external_data_above` bytes of weights it is the file `version/model.onnx`; beyond, in
    Triton's layout, the folder `version/model.onnx/` with a `model.onnx` and its weights file.
    With `compact`, weights that half precision holds exactly are stored so.

    Returns:
        The path of the ONNX file itself.

    Raises:
        ExportError: the network cannot be traced.
        ParityError: the exported inputs or outputs are not those of the spec.
    """
    with tempfile.TemporaryDirectory(dir=version) as folder:
        scratch = Path(folder)
        model = network.build(scratch) if network.build else _traced(network, scratch)
    _settle_shapes(model, network)
    if compact:
        compact_weights(model.graph)
    path = _save(model, version, external_data_above)
    onnx.checker.check_model(path)
    return path


def _traced(network: Network, scratch: Path) -> onnx.ModelProto:
    """The network's graph, traced in its first case."""
    spec = network.spec
    inputs = network.random_inputs(network.cases[0], np.random.default_rng())
    varying = {
        tensor.name: {
            position: axis
            for position, axis in enumerate(spec.batched_shape(tensor))
            if isinstance(axis, str) and axis not in network.axes
        }
        for tensor in (*spec.inputs, *spec.outputs)
    }
    return trace(
        spec.name,
        network.module,
        {name: torch.from_numpy(array) for name, array in inputs.items()},
        [tensor.name for tensor in spec.outputs],
        varying,
        scratch,
    )


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
