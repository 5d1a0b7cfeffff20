"""Adaptive average pooling in a form that the ONNX exporter can always write.

ONNX has no such operator, and the exporter gives up on it where it lost sight of the input's size
(in BEiT, for one). The sizes are known while tracing, and with them pooling is two constant
matrices: averages over rows, and over columns.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn


@contextmanager
def traceable_pooling() -> Iterator[None]:
    """Let every `nn.AdaptiveAvgPool2d` pool with matrices inside the block."""
    original = nn.AdaptiveAvgPool2d.forward
    nn.AdaptiveAvgPool2d.forward = _forward  # type: ignore[assignment, method-assign]
    try:
        yield
    finally:
        nn.AdaptiveAvgPool2d.forward = original  # type: ignore[method-assign]


def _forward(self: nn.AdaptiveAvgPool2d, features: Tensor) -> Tensor:
    size = self.output_size
    rows, columns = size if isinstance(size, tuple) else (size, size)
    height, width = (int(length) for length in features.shape[-2:])
    over_rows = averages(height, rows or height).to(features)
    over_columns = averages(width, columns or width).to(features)
    return over_rows @ features @ over_columns.T


def averages(length: int, bins: int) -> Tensor:
    """The matrix [bins, length] that averages a line of `length` values into `bins`.

    Bin i covers floor(i * length / bins) up to ceil((i + 1) * length / bins), as torch has it.
    """
    weights = torch.zeros(bins, length)
    for i in range(bins):
        start, end = i * length // bins, -(-(i + 1) * length // bins)
        weights[i, start:end] = 1 / (end - start)
    return weights
