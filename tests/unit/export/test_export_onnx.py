"""Tracing, the layout of the files, and the gate that compares them with their source."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch

from ssa_backend import specs
from ssa_backend.settings import RepositorySettings
from ssa_export import networks
from ssa_export.adaptive_pooling import traceable_pooling
from ssa_export.checkpoints import load_sam
from ssa_export.errors import ExportError, ParityError
from ssa_export.networks import Network
from ssa_export.onnx_export import export_onnx
from ssa_export.parity import check_parity, compare


def load_decoder(sam_folder: Path) -> Network:
    sam = load_sam(str(sam_folder))
    return networks.mask_decoder(sam, RepositorySettings("tiny", sam.settings).axes)


@pytest.fixture
def decoder(sam_folder: Path) -> Network:
    """One that a test may change."""
    return load_decoder(sam_folder)


@dataclass(frozen=True)
class Exported:
    """A network that was exported, and what `export_onnx` was given and gave."""

    network: Network
    version: Path
    path: Path


@pytest.fixture(scope="module")
def exported(sam_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Exported:
    network, version = load_decoder(sam_folder), tmp_path_factory.mktemp("version")
    return Exported(network, version, export_onnx(network, version))


def test_small_weights_stay_in_the_file(exported: Exported) -> None:
    assert exported.path == exported.version / "model.onnx"
    assert list(exported.version.iterdir()) == [exported.path]


def test_large_weights_go_into_a_folder_as_triton_reads_it(
    decoder: Network, tmp_path: Path
) -> None:
    path = export_onnx(decoder, tmp_path, external_data_above=1000)
    folder = tmp_path / "model.onnx"
    assert path == folder / "model.onnx"
    assert sorted(file.name for file in folder.iterdir()) == ["model.onnx", "model.onnx.data"]
    assert list(tmp_path.iterdir()) == [folder]
    assert (folder / "model.onnx.data").stat().st_size > 1000
    check_parity(decoder, path)


def test_axes_carry_the_names_and_lengths_of_the_spec(exported: Exported) -> None:
    graph = onnx.load(exported.path).graph
    axes = {
        value.name: [dim.dim_value or dim.dim_param for dim in value.type.tensor_type.shape.dim]
        for value in (*graph.input, *graph.output)
    }
    assert axes == {
        "image_embeddings": [1, 32, 8, 8],
        "point_coords": ["prompts", "points", 2],
        "point_labels": ["prompts", "points"],
        "min_iou": [1],
        "low_res_masks": ["masks", 32, 32],
        "iou_predictions": ["prompts", 3],
    }


def test_every_case_is_compared(exported: Exported) -> None:
    differences = check_parity(exported.network, exported.path)
    assert len(differences) == 2 * len(exported.network.cases)
    assert {d.tensor for d in differences} == {"low_res_masks", "iou_predictions"}
    assert max(d.relative for d in differences) < 1e-4


def test_a_weight_that_is_off_is_noticed(exported: Exported, decoder: Network) -> None:
    weights = dict(decoder.module.named_parameters())
    with torch.no_grad():
        weights["decoder.output_hypernetworks_mlps.1.proj_out.weight"].add_(0.1)
    with pytest.raises(ParityError, match=r"sam_mask_decoder: output low_res_masks for prompts"):
        check_parity(decoder, exported.path)


def test_an_output_of_another_shape_is_noticed(decoder: Network, tmp_path: Path) -> None:
    masks, ious = decoder.spec.outputs
    four = replace(decoder.spec, outputs=(masks, replace(ious, shape=("prompts", 4))))
    with pytest.raises(ParityError, match=r"iou_predictions has axes .* expected \['prompts', 4\]"):
        export_onnx(replace(decoder, spec=four), tmp_path)


def test_an_output_that_is_missing_is_noticed(decoder: Network, tmp_path: Path) -> None:
    class MasksOnly(torch.nn.Module):
        def forward(
            self, embeddings: torch.Tensor, coords: torch.Tensor, *others: torch.Tensor
        ) -> torch.Tensor:
            return embeddings.sum() + coords + sum(other.sum() for other in others)

    with pytest.raises(ExportError, match="sam_mask_decoder"):
        export_onnx(replace(decoder, module=MasksOnly()), tmp_path)
    assert not list(tmp_path.iterdir())


def test_source_stays_as_it_was(exported: Exported) -> None:
    """The exporter must not leave the checkpoint's model in training mode."""
    assert not any(module.training for module in exported.network.module.modules())


def test_random_inputs_fit_the_spec(decoder: Network) -> None:
    inputs = decoder.random_inputs({"prompts": 6, "points": 2}, np.random.default_rng(0))
    assert list(inputs) == [tensor.name for tensor in specs.SAM_MASK_DECODER.inputs]
    assert inputs["point_coords"].dtype == np.float32
    assert inputs["point_coords"].min() >= 0
    assert 32 < inputs["point_coords"].max() < 64
    assert set(np.unique(inputs["point_labels"])) <= {-1, 0, 1}


@pytest.mark.parametrize("output_size", [1, 3, (2, 5), (None, 4)])
def test_pooling_by_matrices_is_adaptive_pooling(output_size: Any) -> None:
    pool = torch.nn.AdaptiveAvgPool2d(output_size)
    features = torch.randn(2, 3, 7, 11)
    wanted = pool(features)
    with traceable_pooling():
        torch.testing.assert_close(pool(features), wanted)


def test_compare() -> None:
    wanted = np.array([0.0, 2.0, -4.0], np.float32)
    assert compare("x", wanted, wanted, 0.0) == (0.0, 0.0)
    assert compare("no masks", wanted[:0], wanted[:0], 0.0) == (0.0, 0.0)
    absolute, relative = compare("x", wanted + 0.5, wanted, 0.2)
    assert (absolute, relative) == (0.5, 0.125)
    with pytest.raises(ParityError, match="x differs"):
        compare("x", wanted + 0.5, wanted, 0.1)
    with pytest.raises(ParityError, match=r"x has shape \[1, 3\]; expected \[3\]"):
        compare("x", wanted[None], wanted, 1.0)
    with pytest.raises(ParityError, match="not finite"):
        compare("x", wanted * np.nan, wanted, 1.0)
    with pytest.raises(ParityError, match="x differs"):
        compare("x", wanted + 1e-9, np.zeros(3, np.float32), 1.0)
