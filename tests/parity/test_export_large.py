"""Weights beyond protobuf's 2 GiB, where torch and ONNX both change how they write."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from ssa_backend import specs
from ssa_export.networks import Network
from ssa_export.onnx_export import export_onnx
from ssa_export.parity import check_parity

SIZE = 64
CHANNELS, GRID = 703, 8


class Wide(torch.nn.Module):
    """More weights than ViT-H in one matrix, and next to no work."""

    def __init__(self) -> None:
        super().__init__()
        # One small draw repeated: random numbers by the gigabyte take their time.
        drawn = torch.randn(3 * SIZE * SIZE, CHANNELS)
        self.weights = torch.nn.Parameter(drawn.repeat(1, GRID * GRID))

    def forward(self, pixel_values: torch.Tensor) -> torch.Tensor:
        flat = pixel_values.reshape(-1, 3 * SIZE * SIZE) @ self.weights
        return flat.reshape(-1, CHANNELS, GRID, GRID)


@pytest.mark.full
@pytest.mark.timeout(1800)
def test_more_than_two_gigabytes(tmp_path: Path) -> None:
    wide = Wide()
    network = Network(
        specs.SAM_IMAGE_ENCODER,
        wide,
        lambda pixel_values: (wide(pixel_values),),
        axes={"sam_size": SIZE, "embed_dim": CHANNELS, "embed_size": GRID},
        cases=({"batch": 1}, {"batch": 2}),
    )
    path = export_onnx(network, tmp_path)
    folder = tmp_path / "model.onnx"
    assert path == folder / "model.onnx"
    assert sorted(file.name for file in folder.iterdir()) == ["model.onnx", "model.onnx.data"]
    assert list(tmp_path.iterdir()) == [folder]
    assert (folder / "model.onnx.data").stat().st_size > 2**31
    check_parity(network, path)
