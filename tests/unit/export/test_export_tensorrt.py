"""What decides on a TensorRT plan; building one needs a GPU."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch

from ssa_backend import specs
from ssa_backend.settings import ClipSettings, RepositorySettings, SamSettings, SegmenterSettings
from ssa_export import networks
from ssa_export.checkpoints import load_sam
from ssa_export.errors import ParityError
from ssa_export.mask_gate import (
    SamRunners,
    check_outputs,
    check_sam,
    check_segmenter,
    colour_blocks,
    cosines,
    mask_ious,
    same_class_share,
)
from ssa_export.networks import Network
from ssa_export.onnx_export import export_onnx
from ssa_export.tensorrt import ShapeRange, fp32_layers, shape_ranges

SETTINGS = RepositorySettings(
    "tiny",
    SamSettings(image_size=64, embed_dim=2, embed_size=8, mask_size=32),
    coco=SegmenterSettings(24, 32, 6, 8, ("a", "b", "c")),
    clip=ClipSettings(image_size=8, embed_dim=8, logit_scale=100.0),
)


def rectangle(height: int, width: int) -> np.ndarray[Any, np.dtype[np.float32]]:
    logits = np.full((10, 10), -1.0, np.float32)
    logits[:height, :width] = 1.0
    return logits


def test_mask_ious() -> None:
    wanted = np.stack([rectangle(4, 5), rectangle(10, 10), rectangle(0, 0), rectangle(2, 2)])
    got = np.stack([rectangle(4, 5), rectangle(5, 10), rectangle(0, 0), -rectangle(10, 10)])
    # The third pair is empty on both sides and says nothing.
    assert mask_ious(got, wanted).tolist() == [1.0, 0.5, 0.0]
    assert mask_ious(got, wanted, threshold=2.0).size == 0


def test_same_class_share() -> None:
    wanted = np.zeros((1, 3, 2, 2), np.float32)
    wanted[:, 1] = 1.0
    got = wanted.copy()
    got[0, 2, 0, 0] = 5.0
    assert same_class_share(got, wanted) == 0.75


def fake_sam(shift: float) -> SamRunners:
    """An encoder that passes pixels on, and a decoder that draws a disc around each point."""

    def encode(inputs: Mapping[str, Any]) -> dict[str, Any]:
        return {"image_embeddings": inputs["pixel_values"]}

    def decode(inputs: Mapping[str, Any]) -> dict[str, Any]:
        assert inputs["image_embeddings"].shape == (1, 3, 64, 64)
        y, x = np.mgrid[:32, :32] * 2.0
        centres = inputs["point_coords"][:, :, :, None, None] + shift
        distances = np.hypot(x - centres[:, :, 0], y - centres[:, :, 1])
        return {"low_res_masks": (20 - distances).astype(np.float32)}

    return SamRunners(encode, decode)


def test_plans_of_sam_pass_when_their_masks_match() -> None:
    rng = np.random.default_rng(0)
    assert check_sam(fake_sam(0.0), fake_sam(0.0), SETTINGS, rng) == 1.0


def test_plans_of_sam_fail_when_their_masks_move() -> None:
    with pytest.raises(
        ParityError, match=r"mean IoU with those of the ONNX models as exported is 0\.\d+ \(lowest"
    ):
        check_sam(fake_sam(4.0), fake_sam(0.0), SETTINGS, np.random.default_rng(0))


def test_another_bound_can_be_set() -> None:
    rng = np.random.default_rng(0)
    assert check_sam(fake_sam(4.0), fake_sam(0.0), SETTINGS, rng, min_mean_iou=0.5) > 0.5


def test_plans_of_sam_fail_when_they_are_not_finite() -> None:
    def not_a_number(inputs: Mapping[str, Any]) -> dict[str, Any]:
        return {k: v * np.nan for k, v in fake_sam(0.0).decode(inputs).items()}

    candidate = SamRunners(fake_sam(0.0).encode, not_a_number)
    with pytest.raises(ParityError, match=r"is 0\.000"):
        check_sam(candidate, fake_sam(0.0), SETTINGS, np.random.default_rng(0))


def fake(spec: specs.Model) -> Network:
    def source(*inputs: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return inputs

    return Network(spec, torch.nn.Identity(), source, SETTINGS.axes, cases=({"batch": 2},))


def test_plan_of_a_segmenter() -> None:
    def run(sign: float) -> Any:
        return lambda inputs: {"logits": sign * inputs["pixel_values"]}

    rng = np.random.default_rng(0)
    network = fake(specs.COCO_SEGMENTER)
    assert check_segmenter(network, run(1.0), run(1.0), rng) == 1.0
    with pytest.raises(ParityError, match=r"coco_segmenter gives \d+\.\d% of the pixels"):
        check_segmenter(network, run(-1.0), run(1.0), rng)


def test_plan_of_any_other_network() -> None:
    def run(factor: float, offset: float) -> Any:
        return lambda inputs: {"image_embeds": factor * inputs["pixel_values"][:, 0, 0] + offset}

    rng = np.random.default_rng(0)
    network = fake(specs.CLIP_IMAGE_ENCODER)
    # Only the direction counts.
    assert check_outputs(network, run(2.0, 0.0), run(1.0, 0.0), rng) == pytest.approx(1.0)
    for bad in (run(1.0, 1.0), run(np.nan, 0.0), run(0.0, 0.0)):
        with pytest.raises(ParityError, match=r"clip_image_encoder gives a vector whose cosine"):
            check_outputs(network, bad, run(1.0, 0.0), rng)


def test_cosines() -> None:
    wanted = np.array([[1.0, 0.0], [3.0, 4.0], [1.0, 1.0]], np.float32)
    got = np.array([[0.0, 2.0], [6.0, 8.0], [-1.0, -1.0]], np.float32)
    assert cosines(got, wanted).tolist() == pytest.approx([0.0, 1.0, -1.0])


def test_colour_blocks_has_regions() -> None:
    image = colour_blocks(np.random.default_rng(0), 40, 80)
    assert image.shape == (1, 3, 40, 80)
    assert image.dtype == np.float32
    block = image[0, :, :5, :10]
    assert block.std(axis=(1, 2)).max() < 0.2 < image.std()


def test_shape_ranges_follow_the_specs(sam_folder: Path) -> None:
    sam = load_sam(str(sam_folder))
    axes = {"sam_size": 64, "embed_dim": 32, "embed_size": 8}
    encoder = networks.image_encoder(sam, axes)
    largest = specs.SAM_IMAGE_ENCODER.max_batch_size
    assert shape_ranges(encoder, 64) == {
        "pixel_values": ShapeRange((1, 3, 64, 64), (1, 3, 64, 64), (largest, 3, 64, 64))
    }
    ranges = shape_ranges(networks.mask_decoder(sam, axes), 64)
    assert ranges["image_embeddings"] == ShapeRange(*[(1, 32, 8, 8)] * 3)
    assert ranges["point_coords"] == ShapeRange((1, 1, 2), (64, 1, 2), (256, 4, 2))
    assert ranges["point_labels"] == ShapeRange((1, 1), (64, 1), (256, 4))
    assert shape_ranges(networks.mask_decoder(sam, axes), 512)["point_labels"].max == (512, 4)


def test_layer_norm_and_softmax_stay_in_fp32(sam_folder: Path, tmp_path: Path) -> None:
    axes = {"sam_size": 64, "embed_dim": 32, "embed_size": 8}
    encoder = networks.image_encoder(load_sam(str(sam_folder)), axes)
    model = onnx.load(export_onnx(encoder, tmp_path))
    names = fp32_layers(model)
    # Two normalisations and a softmax in each of two layers, and two in the neck.
    assert len(names) == 2 * 3 + 2
    assert all(names)
    kinds = {node.name: node.op_type for node in model.graph.node}
    assert {kinds[name] for name in names} == {"LayerNormalization", "Softmax"}
