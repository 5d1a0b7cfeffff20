"""SAM's products with weights in 8 bits, their inputs rounded within ranges seen in pictures.

All such products of the image encoder are rounded, and of the mask decoder those that draw masks:
they are where its weights meet the image, and rounding those of its few tokens would gain nothing
but change which masks it holds for good. Products between activations stay as they were.

Source: ONNX Runtime's static quantization; ranges are the smallest and the largest value seen.
"""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime as ort
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

from ssa_backend import specs
from ssa_backend.images import sam_pixel_values
from ssa_backend.settings import RepositorySettings
from ssa_export.errors import ExportError
from ssa_export.mask_gate import SamRunners, grid_prompts
from ssa_export.networks import Array
from ssa_export.onnx_runners import OnnxExport

_PRODUCTS = ("MatMul", "Gemm")
# Modules of `MaskDecoder` name their nodes.
_DRAWING = "/upscaling/"


def quantize_sam(
    encoder: OnnxExport,
    decoder: OnnxExport,
    exact: SamRunners,
    settings: RepositorySettings,
    images: Sequence[npt.NDArray[np.uint8]],
) -> None:
    """Rewrite SAM's two ONNX files in place.

    Args:
        encoder: its image encoder.
        decoder: its mask decoder.
        exact: both, loaded as they are now.
        settings: of the repository.
        images: [H, W, 3], to choose ranges by.

    Raises:
        ExportError: a file has its weights outside, beyond 2 GB.
    """
    prompts = grid_prompts(settings.sam.image_size)
    pixels = [sam_pixel_values(image, settings.sam) for image in images]
    name = specs.SAM_IMAGE_ENCODER.inputs[0].name
    _quantize(encoder, [{name: its} for its in pixels])
    _quantize(decoder, [exact.decoder_inputs(its, *prompts) for its in pixels], _DRAWING)


def _quantize(export: OnnxExport, inputs: Sequence[Mapping[str, Array]], prefix: str = "") -> None:
    """Round the products with weights whose nodes' names begin with `prefix`."""
    if export.path.parent != export.version:
        raise ExportError(
            f"{export.network.spec.name} is larger than 2 GB, whose weights are in a file of their "
            "own; expected a smaller one for 8 bits."
        )
    with tempfile.TemporaryDirectory() as folder:
        folded = Path(folder) / "folded.onnx"
        _fold_constants(export.path, folded)
        # It advises at every call to optimise the graph first, which was done.
        logging.disable(logging.WARNING)
        try:
            quantize_static(
                folded,
                export.path,
                _Inputs(inputs),
                quant_format=QuantFormat.QDQ,
                nodes_to_quantize=_products(folded, prefix),
                per_channel=True,
                activation_type=QuantType.QUInt8,
                weight_type=QuantType.QInt8,
                extra_options={"WeightSymmetric": True},
            )
        finally:
            logging.disable(logging.NOTSET)


def _fold_constants(source: Path, target: Path) -> None:
    """Make every weight an initializer: some arrive as constants, or compacted behind a cast."""
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.optimized_model_filepath = str(target)
    ort.InferenceSession(source, options, providers=["CPUExecutionProvider"])


def _products(path: Path, prefix: str) -> list[str]:
    """The names of nodes that multiply with a weight."""
    graph = onnx.load(path).graph
    weights = {weight.name for weight in graph.initializer}
    return [
        node.name
        for node in graph.node
        if node.op_type in _PRODUCTS and node.input[1] in weights and node.name.startswith(prefix)
    ]


class _Inputs(CalibrationDataReader):  # type: ignore[misc]  # has no types
    """Hands out one set of inputs after the other, as ONNX Runtime asks for them."""

    def __init__(self, inputs: Sequence[Mapping[str, Array]]) -> None:
        self._rest: Iterator[Mapping[str, Array]] = iter(inputs)

    def get_next(self) -> Mapping[str, Array] | None:
        """The next one, or None after the last."""
        return next(self._rest, None)
