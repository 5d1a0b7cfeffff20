"""Smaller files without another result: half precision for weights that it holds exactly.

Checkpoints that were saved in half precision are read into single precision; most of their weights
arrive in the graph as they were. Stored in half again, with a `Cast` in front, they take half the
room; ONNX Runtime folds the casts while it loads.
"""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from ssa_export.networks import Array

# Below it a cast costs as much as it saves; and small constants may be ones that an operator wants
# to read while the graph is built.
_MIN_ELEMENTS = 256


def compact_weights(graph: onnx.GraphProto) -> None:
    """Rewrite `graph` in place; subgraphs read the weights of `graph` under their old names."""
    casts = []
    for weight in graph.initializer:
        if weight.data_type != TensorProto.FLOAT or np.prod(weight.dims) < _MIN_ELEMENTS:
            continue
        half = _exact_half(numpy_helper.to_array(weight))
        if half is None:
            continue
        name = weight.name
        weight.CopyFrom(numpy_helper.from_array(half, f"{name}/half"))
        casts.append(
            helper.make_node(
                "Cast", [weight.name], [name], name=f"{name}/cast", to=TensorProto.FLOAT
            )
        )
    nodes = [*casts, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)


def _exact_half(weight: Array) -> Array | None:
    """`weight` in float16, or None where a value would change."""
    # A value too large becomes infinite, which is no equal.
    with np.errstate(over="ignore"):
        half = weight.astype(np.float16)
    return half if np.array_equal(half.astype(np.float32), weight) else None
