"""What an exported network is: its graph's origin, its reference, and inputs to compare them on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from torch import Tensor, nn

from ssa_backend import specs

Array = NDArray[Any]
Draw = Callable[[np.random.Generator, tuple[int, ...]], Array]
Lengths = Mapping[str, int]


@dataclass(frozen=True)
class Network:
    """One exported model.

    Attributes:
        spec: its tensors; inputs and outputs of `module` and `source` stand in this order.
        module: what is traced.
        source: the checkpoint's own forward, the reference for every comparison.
        axes: lengths of the axes that the checkpoint fixes.
        cases: lengths of the other axes, one mapping a comparison; the first is also traced.
        draws: how to draw an input at random, by name; standard normal where none is given.
        build: writes the graph where a single trace cannot; it gets a folder to work in.
    """

    spec: specs.Model
    module: nn.Module
    source: Callable[..., tuple[Tensor, ...]]
    axes: Lengths
    cases: tuple[Lengths, ...]
    draws: Mapping[str, Draw] = field(default_factory=dict)
    build: Callable[[Path], onnx.ModelProto] | None = None

    def __post_init__(self) -> None:
        # A wrapper starts in training mode, and the exporter puts everything below it back into
        # the wrapper's mode when it is done: the source would drop out at random ever after.
        self.module.eval()

    def random_inputs(self, lengths: Lengths, rng: np.random.Generator) -> dict[str, Array]:
        """Fresh inputs by name, in the spec's order, for these lengths of the varying axes."""
        return {
            tensor.name: self.draws.get(tensor.name, _normal)(
                rng, self.shape(tensor, lengths)
            ).astype(tensor.numpy_dtype)
            for tensor in self.spec.inputs
        }

    def shape(self, tensor: specs.Tensor, lengths: Lengths) -> tuple[int, ...]:
        """The shape of an array for `tensor`, the batch included."""
        known = {**self.axes, **lengths}
        return tuple(
            axis if isinstance(axis, int) else known[axis]
            for axis in self.spec.batched_shape(tensor)
        )


def _normal(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    return rng.standard_normal(shape)
