"""SAM in lower precision on the CPU: faster, and not the same.

OpenVINO runs both of its networks, in bfloat16 or, on a processor without it, in single precision.
For bfloat16 the ONNX files stay as they are; for 8 bits they say which products to round. What it
costs in masks is measured in docs/performance.md.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from ssa_backend.embedded.openvino_runner import OpenVinoRunner
from ssa_backend.settings import RepositorySettings
from ssa_export.calibration import calibration_images
from ssa_export.errors import MissingToolError
from ssa_export.int8 import quantize_sam
from ssa_export.mask_gate import Runner, SamRunners, check_sam
from ssa_export.networks import Array
from ssa_export.onnx_runners import OnnxExport, onnx_runner, sam_exports

# Below it the masks are others; a plan of TensorRT has to be closer.
MIN_MEAN_IOU = 0.9


def require_openvino() -> None:
    """Say what is missing before any work begins.

    Raises:
        MissingToolError: OpenVINO is not installed.
    """
    if find_spec("openvino") is None:
        raise MissingToolError(
            "lower precision on the CPU needs OpenVINO: pip install 'ssa-triton[openvino]'."
        )


def lower_sam(
    exports: Sequence[OnnxExport], settings: RepositorySettings, calibration: Path | None
) -> float:
    """Bring SAM to `settings.sam_precision` and compare its masks, on a drawn image.

    Args:
        exports: of the whole repository, SAM's among them; for 8 bits rewritten in place.
        settings: of the repository.
        calibration: a folder of pictures to choose the ranges of 8 bits by; None draws some.

    Returns:
        The mean IoU of masks with those of the files as exported, run in single precision.

    Raises:
        ExportError: a file or the folder is not fit for 8 bits.
        ParityError: the masks are others.
    """
    sam = sam_exports(exports)
    reference = SamRunners(*(onnx_runner(export.path) for export in sam))
    if settings.sam_precision == "int8":
        quantize_sam(*sam, reference, settings, calibration_images(calibration, settings))
    lowered = SamRunners(*(_openvino_runner(export) for export in sam))
    return check_sam(lowered, reference, settings, np.random.default_rng(), MIN_MEAN_IOU)


def _openvino_runner(export: OnnxExport) -> Runner:
    runner = OpenVinoRunner(export.path, batches=False)
    names = [tensor.name for tensor in export.network.spec.outputs]

    def run(inputs: Mapping[str, Array]) -> Mapping[str, Array]:
        (answer,) = runner.run([dict(inputs)], names)
        return answer

    return run
