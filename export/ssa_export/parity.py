"""The gate that every exported model passes: the same numbers as its PyTorch source."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime as ort
import torch

from ssa_export.errors import ParityError
from ssa_export.networks import Array, Network


@dataclass(frozen=True)
class Difference:
    """How far one output is off in one comparison.

    `relative` is the largest absolute difference over the largest absolute value of the source.
    """

    tensor: str
    lengths: Mapping[str, int]
    absolute: float
    relative: float


def check_parity(network: Network, model_path: Path) -> list[Difference]:
    """Compare an ONNX file with its source on fresh random inputs, in every case of the network.

    Args:
        network: names, shapes, source and tolerance.
        model_path: the `model.onnx` that ONNX Runtime loads.

    Returns:
        One entry for each output in each case.

    Raises:
        ParityError: an output of another shape, not finite, or off by more than `spec.atol`.
    """
    rng = np.random.default_rng()
    inputs = [network.random_inputs(lengths, rng) for lengths in network.cases]
    # Source and export run one after the other: beside ViT-H there is little memory for both.
    expected = [_run_source(network, arrays) for arrays in inputs]
    session = ort.InferenceSession(model_path, _lean(), providers=["CPUExecutionProvider"])
    names = [tensor.name for tensor in network.spec.outputs]
    differences = []
    for lengths, arrays, wanted_outputs in zip(network.cases, inputs, expected, strict=True):
        outputs = session.run(names, arrays)
        for name, got, wanted in zip(names, outputs, wanted_outputs, strict=True):
            absolute, relative = compare(
                f"{network.spec.name}: output {name} for {_words(lengths)}",
                got,
                wanted,
                network.spec.atol,
            )
            differences.append(Difference(name, lengths, absolute, relative))
    return differences


def _run_source(network: Network, inputs: Mapping[str, Array]) -> list[Array]:
    with torch.inference_mode():
        outputs = network.source(*(torch.from_numpy(array) for array in inputs.values()))
    return [output.numpy() for output in outputs]


def _lean() -> ort.SessionOptions:
    """Options that give memory back after each run."""
    options = ort.SessionOptions()
    options.enable_cpu_mem_arena = False
    return options


def compare(what: str, got: Array, wanted: Array, tolerance: float) -> tuple[float, float]:
    """Largest absolute difference, as it is and over the largest absolute value of `wanted`.

    Args:
        what: names model, tensor and case in the error.
        got: the export's output.
        wanted: the source's output.
        tolerance: the largest relative difference that passes.

    Raises:
        ParityError: another shape, values that are not finite, or a larger difference.
    """
    if got.shape != wanted.shape:
        raise ParityError(f"{what} has shape {list(got.shape)}; expected {list(wanted.shape)}.")
    if not (np.isfinite(got).all() and np.isfinite(wanted).all()):
        raise ParityError(f"{what} holds values that are not finite; expected finite ones.")
    # No masks at all are a fine answer, where none is good enough.
    absolute = float(np.abs(got - wanted).max(initial=0))
    scale = float(np.abs(wanted).max(initial=0))
    # An output that is zero everywhere has no scale: then only an exact match passes.
    relative = absolute / scale if scale else (0.0 if absolute == 0 else float("inf"))
    if relative > tolerance:
        raise ParityError(
            f"{what} differs from its PyTorch source by {relative:.2e} of its largest value; "
            f"expected at most {tolerance:.0e}."
        )
    return absolute, relative


def _words(lengths: Mapping[str, int]) -> str:
    return ", ".join(f"{axis} {length}" for axis, length in lengths.items())
