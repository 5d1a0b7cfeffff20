"""SAM's networks in bfloat16 on the CPU: on processors with matrix units faster, and not the same.

The ONNX files stay as they are: OpenVINO computes them in bfloat16, or in single precision on a
processor without it. What it costs in masks is measured in docs/performance.md.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.util import find_spec

import numpy as np

from ssa_backend.embedded.openvino_runner import OpenVinoRunner
from ssa_backend.settings import RepositorySettings
from ssa_export.errors import MissingToolError
from ssa_export.int8 import MIN_MEAN_IOU
from ssa_export.mask_gate import Runner, SamRunners, check_sam
from ssa_export.networks import Array
from ssa_export.onnx_runners import OnnxExport, onnx_runner, sam_exports


def require_openvino() -> None:
    """Say what is missing before any work begins.

    Raises:
        MissingToolError: OpenVINO is not installed.
    """
    if find_spec("openvino") is None:
        raise MissingToolError(
            "bfloat16 on the CPU needs OpenVINO: pip install 'ssa-triton[openvino]'."
        )


def check_bf16(exports: Sequence[OnnxExport], settings: RepositorySettings) -> float:
    """Compare SAM's masks in bfloat16 with those in single precision, on a drawn image.

    Args:
        exports: of the whole repository, SAM's among them.
        settings: of the repository.

    Returns:
        The mean IoU.

    Raises:
        ParityError: the masks are others.
    """
    sam = sam_exports(exports)
    reference = SamRunners(*(onnx_runner(export.path) for export in sam))
    candidate = SamRunners(*(_openvino_runner(export) for export in sam))
    return check_sam(candidate, reference, settings, np.random.default_rng(), MIN_MEAN_IOU)


def _openvino_runner(export: OnnxExport) -> Runner:
    runner = OpenVinoRunner(export.path, batches=False)
    names = [tensor.name for tensor in export.network.spec.outputs]

    def run(inputs: Mapping[str, Array]) -> Mapping[str, Array]:
        (answer,) = runner.run([dict(inputs)], names)
        return answer

    return run
