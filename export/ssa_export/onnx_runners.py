"""Exported networks, and functions that run them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import onnxruntime as ort

from ssa_backend import specs
from ssa_export.mask_gate import Runner
from ssa_export.networks import Array, Network


@dataclass(frozen=True)
class OnnxExport:
    """A network and where its ONNX file was written."""

    network: Network
    path: Path
    version: Path


def sam_exports(exports: Sequence[OnnxExport]) -> tuple[OnnxExport, OnnxExport]:
    """SAM's encoder and decoder, of the networks of a whole repository."""
    by_name = {export.network.spec.name: export for export in exports}
    return by_name[specs.SAM_IMAGE_ENCODER.name], by_name[specs.SAM_MASK_DECODER.name]


def onnx_runner(path: Path) -> Runner:
    """A function that runs the file, as it is now, on the CPU."""
    session = ort.InferenceSession(path, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]

    def run(inputs: Mapping[str, Array]) -> dict[str, Array]:
        return dict(zip(names, session.run(names, dict(inputs)), strict=True))

    return run
