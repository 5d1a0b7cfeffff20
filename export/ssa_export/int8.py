"""SAM's products with weights in 8 bits, their inputs rounded within ranges seen in pictures.

All such products of the image encoder are rounded, and of the mask decoder those that draw masks:
they are where its weights meet the image, and rounding those of its few tokens would gain nothing
but change which masks it holds for good. Products between activations stay as they were.

Source: ONNX Runtime's static quantization; ranges are the smallest and the largest value seen.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime as ort
from onnxruntime.quantization import CalibrationMethod, QDQQuantizer, QuantType, TensorsData

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
    model = _folded(export.path)
    products = _products(model.graph, prefix)
    ranges = _ranges(model, [node.input[0] for node in products], inputs)
    quantizer = QDQQuantizer(
        model,
        per_channel=True,
        reduce_range=False,
        weight_qType=QuantType.QInt8,
        activation_qType=QuantType.QUInt8,
        tensors_range=ranges,
        nodes_to_quantize=[node.name for node in products],
        nodes_to_exclude=[],
        op_types_to_quantize=list(_PRODUCTS),
        extra_options={"OpTypesToExcludeOutputQuantization": list(_PRODUCTS)},
    )
    quantizer.quantize_model()
    onnx.save(quantizer.model.model, export.path)


def _folded(path: Path) -> onnx.ModelProto:
    """The model, its weights all initializers: some are constants, or compacted behind a cast."""
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_BASIC
    with tempfile.TemporaryDirectory() as folder:
        options.optimized_model_filepath = str(Path(folder) / "folded.onnx")
        ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        return onnx.load(options.optimized_model_filepath)


def _products(graph: onnx.GraphProto, prefix: str) -> list[onnx.NodeProto]:
    """The nodes that multiply with a weight."""
    weights = {weight.name for weight in graph.initializer}
    return [
        node
        for node in graph.node
        if node.op_type in _PRODUCTS and node.input[1] in weights and node.name.startswith(prefix)
    ]


def _ranges(
    model: onnx.ModelProto, tensors: Sequence[str], inputs: Sequence[Mapping[str, Array]]
) -> TensorsData:
    """The smallest and the largest value that each tensor takes.

    ONNX Runtime's own calibration watches every tensor of the graph at once, which for the
    attention of a ViT-B is more than 20 GB.
    """
    watched = onnx.ModelProto()
    watched.CopyFrom(model)
    names = sorted(set(tensors))
    watched.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names)
    session = ort.InferenceSession(watched.SerializeToString(), providers=["CPUExecutionProvider"])
    seen = [
        [(array.min(), array.max()) for array in session.run(names, dict(each))] for each in inputs
    ]
    lowest, highest = np.array(seen).min(axis=0)[:, 0], np.array(seen).max(axis=0)[:, 1]
    found = {name: (lowest[k], highest[k]) for k, name in enumerate(names)}
    return TensorsData(CalibrationMethod.MinMax, found)
