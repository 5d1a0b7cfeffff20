"""What every runtime of the `onnxruntime` backend does alike; knows nothing of Triton."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ssa_backend.errors import InvalidInputError

Arrays = dict[str, NDArray[Any]]


class NetworkRunner(ABC):
    """A network, which answers several requests with one run where the model batches.

    Attributes:
        runtime: what computes it, by the name its makers give it.
        threads: of one run on the CPU.
    """

    runtime: ClassVar[str]

    def __init__(
        self, axes: Mapping[str, Sequence[int | str]], *, batches: bool, threads: int
    ) -> None:
        """Say which axes each input has, by its name; a text stands for any length."""
        self.threads = threads
        self._axes = axes
        self._batches = batches

    def check(self, inputs: Arrays) -> None:
        """Compare a request's shapes with the axes that the network fixes.

        Raises:
            InvalidInputError: names the input, what came and what was expected.
        """
        for name, axes in self._axes.items():
            shape = inputs[name].shape
            fits = len(shape) == len(axes) and all(
                not isinstance(axis, int) or axis == length
                for axis, length in zip(axes, shape, strict=True)
            )
            if not fits:
                raise InvalidInputError(
                    f"input {name!r} has shape {list(shape)}; the network expects {list(axes)}."
                )

    def run(self, requests: Sequence[Arrays], outputs: Sequence[str]) -> list[Arrays]:
        """The named outputs of every request, in order; one run for all if the model batches."""
        if not self._batches or len(requests) < 2:
            return [self._run(request, outputs) for request in requests]
        joined = {
            name: np.concatenate([request[name] for request in requests]) for name in requests[0]
        }
        ends = np.cumsum([len(next(iter(request.values()))) for request in requests])[:-1]
        parts = {name: np.split(array, ends) for name, array in self._run(joined, outputs).items()}
        return [{name: parts[name][i] for name in outputs} for i in range(len(requests))]

    @abstractmethod
    def _run(self, inputs: Arrays, outputs: Sequence[str]) -> Arrays:
        """The named outputs."""
