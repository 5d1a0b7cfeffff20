"""Exported files against the code that published the checkpoints, in every form they come in."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
import pytest
import torch
from transformers import (
    BeitConfig,
    BeitImageProcessorPil,
    DPTConfig,
    DPTImageProcessorPil,
    MobileViTConfig,
    MobileViTImageProcessorPil,
)

from ssa_backend.settings import RepositorySettings, SamSettings
from ssa_export import networks
from ssa_export.checkpoints import load_sam, load_segmenter
from ssa_export.networks import Network
from ssa_export.repository import export_network
from tests.unit.export import tiny

SIZE = {"height": 64, "width": 64}
LABELS = {"id2label": dict(enumerate(tiny.LABELS))}


def beit() -> tuple[Any, Any]:
    config = BeitConfig(
        image_size=64,
        patch_size=16,
        hidden_size=16,
        num_hidden_layers=4,
        num_attention_heads=2,
        intermediate_size=32,
        out_indices=[1, 2, 3, 4],
        pool_scales=[1, 2, 3],
        use_relative_position_bias=True,
        **LABELS,
    )
    return config, BeitImageProcessorPil(size=SIZE)


def dpt() -> tuple[Any, Any]:
    config = DPTConfig(
        image_size=64,
        patch_size=16,
        hidden_size=16,
        num_hidden_layers=4,
        num_attention_heads=2,
        intermediate_size=32,
        backbone_out_indices=[0, 1, 2, 3],
        neck_hidden_sizes=[8, 8, 16, 16],
        fusion_hidden_size=16,
        **LABELS,
    )
    return config, DPTImageProcessorPil(size=SIZE)


def mobilevit() -> tuple[Any, Any]:
    config = MobileViTConfig(
        image_size=64,
        hidden_sizes=[16, 24, 32],
        neck_hidden_sizes=[8, 8, 8, 8, 8, 8, 32],
        aspp_out_channels=8,
        **LABELS,
    )
    return config, MobileViTImageProcessorPil(size={"shortest_edge": 64}, crop_size=SIZE)


@pytest.mark.parametrize("kind", [tiny.upernet, beit, dpt, mobilevit])
def test_any_segmenter_of_transformers_exports_with_its_own_classes(
    kind: Callable[[], tuple[Any, Any]], tmp_path: Path
) -> None:
    loaded = load_segmenter(str(tiny.save_segmenter(tmp_path / "checkpoint", *kind())))
    assert loaded.settings.labels == tiny.LABELS
    axes = RepositorySettings("", SamSettings(), loaded.settings).axes
    # Compares with the source at three batch sizes, and raises where they differ.
    export_network(networks.semantic_segmenter(loaded, axes), tmp_path)


def run(network: Network, folder: Path, *inputs: torch.Tensor) -> list[Any]:
    """The exported file's outputs."""
    session = ort.InferenceSession(export_network(network, folder).path)
    names = [tensor.name for tensor in network.spec.inputs]
    arrays = [tensor.numpy() for tensor in inputs]
    return list(session.run(None, dict(zip(names, arrays, strict=True))))


def test_pth_through_onnx_equals_segment_anything(tmp_path: Path) -> None:
    """Encoder and decoder in a row, as `SamPredictor` runs them."""
    file = tiny.save_meta_sam(tmp_path / "sam_tiny.pth")
    original = tiny.meta_sam()
    original.load_state_dict(torch.load(file, weights_only=True))
    sam = load_sam(str(file))
    axes = RepositorySettings("", sam.settings).axes

    pixels = torch.randn(1, 3, tiny.IMAGE_SIZE, tiny.IMAGE_SIZE)
    coords = torch.rand(9, 1, 2) * tiny.IMAGE_SIZE
    labels = torch.ones(9, 1, dtype=torch.int64)
    (embeddings,) = run(networks.image_encoder(sam, axes), tmp_path, pixels)
    masks, ious = run(
        networks.mask_decoder(sam, axes),
        tmp_path,
        *(torch.from_numpy(embeddings), coords, labels, torch.tensor([-torch.inf])),
    )

    with torch.inference_mode():
        sparse, dense = original.prompt_encoder((coords, labels), None, None)
        wanted_masks, wanted_ious = original.mask_decoder(
            original.image_encoder(pixels),
            original.prompt_encoder.get_dense_pe(),
            sparse,
            dense,
            multimask_output=True,
        )
    np.testing.assert_allclose(masks, wanted_masks.flatten(0, 1).numpy(), atol=1e-4)
    np.testing.assert_allclose(ious, wanted_ious.numpy(), atol=1e-4)
