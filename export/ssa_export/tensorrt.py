"""ONNX files to TensorRT plans, accepted only if what they give is the same to whoever uses it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import onnx

from ssa_backend import specs
from ssa_backend.settings import RepositorySettings
from ssa_export.errors import ExportError, MissingToolError
from ssa_export.mask_gate import (
    Runner,
    SamRunners,
    check_outputs,
    check_sam,
    check_segmenter,
)
from ssa_export.networks import Array, Network
from ssa_export.onnx_runners import OnnxExport, onnx_runner

PLAN_FILE = "model.plan"

# Kept in FP32 under FP16: their sums over hundreds of channels or thousands of tokens overflow
# or lose what distinguishes one token from another.
_FP32_OPERATORS = ("LayerNormalization", "Softmax", "ReduceMean", "Pow", "Sqrt")

# A plan reserves memory for its largest shape; a decoder takes about 20 MB a prompt.
_MAX_PROMPTS = 256
_MAX_POINTS = 4
# CLIP's texts; and as many names for one crop as the engine has candidates.
_MAX_TOKENS = 77
_USUAL_NAMES, _MAX_NAMES = 3, 8

_SEGMENTERS = (specs.SEMANTIC_SEGMENTER, specs.COCO_SEGMENTER, specs.ADE20K_SEGMENTER)

Shape = tuple[int, ...]


@dataclass(frozen=True)
class ShapeRange:
    """The shapes of one input that a plan accepts, and the one that it is tuned for."""

    min: Shape
    opt: Shape
    max: Shape


def require_tensorrt() -> None:
    """Check, before any work, that plans can be built here.

    Raises:
        MissingToolError: tensorrt or polygraphy is not installed.
    """
    missing = [name for name in ("tensorrt", "polygraphy") if find_spec(name) is None]
    if missing:
        raise MissingToolError(
            f"building TensorRT plans needs {' and '.join(missing)}, on a machine with an NVIDIA "
            "GPU: pip install 'ssa-triton[tensorrt]'."
        )


def shape_ranges(network: Network, points_per_batch: int) -> dict[str, ShapeRange]:
    """The optimisation profile of a network, by input name.

    Args:
        network: its spec names the varying axes; its checkpoint fixes the others.
        points_per_batch: prompts in a usual call of the mask decoder.
    """
    lengths = {
        "batch": (1, 1, network.spec.max_batch_size),
        "prompts": (1, points_per_batch, max(points_per_batch, _MAX_PROMPTS)),
        "points": (1, 1, _MAX_POINTS),
        "tokens": (2, 8, _MAX_TOKENS),
        "names": (1, _USUAL_NAMES, _MAX_NAMES),
    }
    return {
        tensor.name: ShapeRange(
            *(
                network.shape(tensor, {axis: values[i] for axis, values in lengths.items()})
                for i in range(3)
            )
        )
        for tensor in network.spec.inputs
    }


def fp32_layers(model: onnx.ModelProto) -> list[str]:
    """Names of the nodes, which TensorRT's layers take over, that must not run in FP16."""
    return [node.name for node in model.graph.node if node.op_type in _FP32_OPERATORS]


def build_plans(
    exports: Sequence[OnnxExport], settings: RepositorySettings, *, fp16: bool
) -> dict[str, float]:
    """Build a plan beside each ONNX file, and compare what they give.

    Returns:
        How well plans agree with the ONNX files, by the model's name: for SAM's decoder the mean
        IoU of its masks, for a segmenter the share of pixels with the same class, for the others
        the lowest cosine.

    Raises:
        ExportError: TensorRT cannot build a plan.
        ParityError: a plan's masks, classes or vectors are not those of the ONNX file.
    """
    for export in exports:
        _build_plan(export, settings.masks.points_per_batch, fp16=fp16)
    rng = np.random.default_rng()
    by_name = {export.network.spec.name: export for export in exports}
    encoder = by_name.pop(specs.SAM_IMAGE_ENCODER.name)
    decoder = by_name.pop(specs.SAM_MASK_DECODER.name)
    agreement = {specs.SAM_MASK_DECODER.name: _check_sam(encoder, decoder, settings, rng)}
    for name, export in by_name.items():
        check = check_segmenter if export.network.spec in _SEGMENTERS else check_outputs
        with _plan_runner(export.version / PLAN_FILE) as plan:
            agreement[name] = check(export.network, plan, onnx_runner(export.path), rng)
    return agreement


def _check_sam(
    encoder: OnnxExport,
    decoder: OnnxExport,
    settings: RepositorySettings,
    rng: np.random.Generator,
) -> float:
    """`check_sam` for the plans beside two ONNX files."""
    with (
        _plan_runner(encoder.version / PLAN_FILE) as encode,
        _plan_runner(decoder.version / PLAN_FILE) as decode,
    ):
        reference = SamRunners(onnx_runner(encoder.path), onnx_runner(decoder.path))
        return check_sam(SamRunners(encode, decode), reference, settings, rng)


def _build_plan(export: OnnxExport, points_per_batch: int, *, fp16: bool) -> None:
    import tensorrt as trt
    from polygraphy.backend.trt import (
        CreateConfig,
        EngineBytesFromNetwork,
        NetworkFromOnnxPath,
        Profile,
        SetLayerPrecisions,
    )
    from polygraphy.exception import PolygraphyException

    profile = Profile()
    for name, shapes in shape_ranges(export.network, points_per_batch).items():
        profile.add(name, shapes.min, shapes.opt, shapes.max)
    network = NetworkFromOnnxPath(str(export.path))
    if fp16:
        names = fp32_layers(onnx.load(export.path, load_external_data=False))
        network = SetLayerPrecisions(network, dict.fromkeys(names, trt.float32))
    config = CreateConfig(
        profiles=[profile], fp16=fp16, precision_constraints="obey" if fp16 else None
    )
    try:
        plan = EngineBytesFromNetwork(network, config)()
    except PolygraphyException as error:
        name = export.network.spec.name
        raise ExportError(f"TensorRT cannot build a plan of {name} ({error}).") from error
    (export.version / PLAN_FILE).write_bytes(plan)


@contextmanager
def _plan_runner(path: Path) -> Iterator[Runner]:
    from polygraphy.backend.common import BytesFromPath
    from polygraphy.backend.trt import EngineFromBytes, TrtRunner

    with TrtRunner(EngineFromBytes(BytesFromPath(str(path)))) as runner:

        def run(inputs: Mapping[str, Array]) -> dict[str, Array]:
            # Copied: the next inference writes into the same buffers.
            return {name: np.array(value) for name, value in runner.infer(dict(inputs)).items()}

        yield run
