"""From a PyTorch module to an ONNX graph in memory."""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import onnx
import torch
from torch import Tensor, nn

from ssa_export.adaptive_pooling import traceable_pooling
from ssa_export.errors import ExportError

OPSET = 17

# Names of the axes that vary, by position, by tensor.
VaryingAxes = Mapping[str, Mapping[int, str]]


def trace(
    what: str,
    module: nn.Module,
    inputs: Mapping[str, Tensor],
    outputs: Sequence[str],
    varying: VaryingAxes,
    scratch: Path,
) -> onnx.ModelProto:
    """Trace `module` on `inputs`.

    Args:
        what: names the network in the error.
        module: takes the inputs in their order.
        inputs: tensors to trace with, by the name that they get.
        outputs: the names that its outputs get.
        varying: the axes of inputs and outputs whose length is not fixed.
        scratch: a folder with room for the weights.

    Raises:
        ExportError: the module cannot be traced.
    """
    with tempfile.TemporaryDirectory(dir=scratch) as folder:
        path = Path(folder) / "traced.onnx"
        try:
            with _quiet_tracer(), traceable_pooling(), torch.inference_mode():
                torch.onnx.export(
                    module,
                    tuple(inputs.values()),
                    # As text: with a Path torch refuses to write more than 2 GB.
                    str(path),
                    input_names=list(inputs),
                    output_names=list(outputs),
                    dynamic_axes=varying,
                    opset_version=OPSET,
                    # The dynamo exporter fails on SAM's image encoder and on OneFormer.
                    dynamo=False,
                )
        except (torch.onnx.errors.OnnxExporterError, RuntimeError) as error:
            # The rest of what torch says is a page of its own call stack.
            reason = str(error).strip().splitlines()[0].split(". ")[0].split("  [")[0]
            raise ExportError(f"{what} cannot be exported to ONNX ({reason}).") from error
        # With its weights in memory, however torch spread them over the folder.
        return onnx.load(path)


@contextmanager
def _quiet_tracer() -> Iterator[None]:
    """Without the tracer's warnings about values that it makes constant.

    Which of them are harmless no warning can say; the comparison with the source, at other
    batch sizes and prompt counts than the traced ones, does.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", torch.jit.TracerWarning)  # type: ignore[attr-defined]
        # This exporter is the older of torch's two, chosen on purpose, and says so at every turn.
        warnings.simplefilter("ignore", DeprecationWarning)
        yield
