"""SAM's networks with weights in 8 bits for the CPU: faster, and not the same.

Products with constant matrices run in whole numbers, their inputs rounded as they come (ONNX
Runtime's dynamic quantization); attention, normalisation and the rest stay in single precision.
What it costs in masks is measured in docs/performance.md.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

import numpy as np
from onnxruntime.quantization import QuantType, quantize_dynamic

from ssa_backend.settings import RepositorySettings
from ssa_export.errors import ExportError
from ssa_export.mask_gate import SamRunners, check_sam
from ssa_export.onnx_runners import OnnxExport, onnx_runner, sam_exports

_OPERATORS = ["MatMul", "Gemm"]
# Below it the masks are others; a plan of TensorRT has to be closer.
MIN_MEAN_IOU = 0.9


def quantize_sam(exports: Sequence[OnnxExport], settings: RepositorySettings) -> float:
    """Rewrite SAM's two ONNX files in place.

    Args:
        exports: of the whole repository, SAM's among them.
        settings: of the repository.

    Returns:
        The mean IoU of masks with those of the single precision files, on a drawn image.

    Raises:
        ExportError: a file has its weights outside, beyond 2 GB.
        ParityError: the masks are others.
    """
    sam = sam_exports(exports)
    reference = SamRunners(*(onnx_runner(export.path) for export in sam))
    for export in sam:
        _quantize(export)
    quantized = SamRunners(*(onnx_runner(export.path) for export in sam))
    rng = np.random.default_rng()
    return check_sam(quantized, reference, settings, rng, MIN_MEAN_IOU)


def _quantize(export: OnnxExport) -> None:
    if export.path.parent != export.version:
        raise ExportError(
            f"{export.network.spec.name} is larger than 2 GB, whose weights are in a file of their "
            "own; expected a smaller one for 8 bits."
        )
    path = str(export.path)
    # It advises at every call to optimise the graph first, which ONNX Runtime does when it loads.
    logging.disable(logging.WARNING)
    try:
        quantize_dynamic(
            path,
            path,
            op_types_to_quantize=_OPERATORS,
            per_channel=True,
            weight_type=QuantType.QInt8,
            extra_options={"MatMulConstBOnly": True},
        )
    finally:
        logging.disable(logging.NOTSET)
