"""Exported networks, and functions that run them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import onnxruntime as ort

from ssa_export.mask_gate import Runner
from ssa_export.networks import Array, Network


@dataclass(frozen=True)
class OnnxExport:
    """A network and where its ONNX file was written."""

    network: Network
    path: Path
    version: Path


def onnx_runner(path: Path) -> Runner:
    """A function that runs the file, as it is now, on the CPU."""
    session = ort.InferenceSession(path, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]

    def run(inputs: Mapping[str, Array]) -> dict[str, Array]:
        return dict(zip(names, session.run(names, dict(inputs)), strict=True))

    return run
