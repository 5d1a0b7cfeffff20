"""Meta's `.pth` layout, converted: the same numbers as segment_anything itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from ssa_export.checkpoints.meta_sam import infer_config, load_meta_sam
from ssa_export.mask_decoder import MaskDecoder
from tests.reference import torchvision_functions
from tests.unit.export import tiny


@pytest.fixture(scope="module")
def original(meta_file: Path) -> Any:
    sam = tiny.meta_sam()
    sam.load_state_dict(torch.load(meta_file, weights_only=True))
    return sam


@pytest.fixture(scope="module")
def converted(meta_file: Path) -> Any:
    return load_meta_sam(meta_file)


def predict_torch(
    sam: Any, embedding: torch.Tensor, coords: torch.Tensor, labels: torch.Tensor
) -> Any:
    """segment_anything's decoding of points, through its own predictor."""
    from segment_anything import SamPredictor

    predictor = SamPredictor(sam)
    predictor.features = embedding
    predictor.input_size = predictor.original_size = (tiny.IMAGE_SIZE, tiny.IMAGE_SIZE)
    predictor.is_image_set = True
    _, ious, low_res_masks = predictor.predict_torch(coords, labels, multimask_output=True)
    return low_res_masks, ious


def test_encoder_equals_segment_anything(original: Any, converted: Any) -> None:
    pixels = torch.randn(2, 3, tiny.IMAGE_SIZE, tiny.IMAGE_SIZE)
    with torch.inference_mode():
        torch.testing.assert_close(
            converted.get_image_embeddings(pixels), original.image_encoder(pixels)
        )


@pytest.mark.parametrize(("prompts", "points"), [(1, 1), (5, 1), (3, 4)])
def test_decoder_equals_predict_torch(
    original: Any, converted: Any, prompts: int, points: int
) -> None:
    embedding = torch.randn(1, 32, 8, 8)
    coords = torch.rand(prompts, points, 2) * tiny.IMAGE_SIZE
    labels = torch.randint(-1, 2, (prompts, points))
    wanted_masks, wanted_ious = predict_torch(original, embedding, coords, labels)
    by_value = wanted_ious.flatten().sort().values
    # In the widest gap: two IoUs that are equal but for rounding must not lie on both sides of it.
    gap = int(by_value.diff().argmax())
    between = float(by_value[gap : gap + 2].mean())
    passing_between = 3 * prompts - 1 - gap
    for min_iou, passing in ((-torch.inf, 3 * prompts), (between, passing_between), (9.0, 0)):
        with torch.inference_mode():
            masks, ious = MaskDecoder(converted)(embedding, coords, labels, torch.tensor([min_iou]))
        assert len(masks) == passing
        wanted = wanted_masks[wanted_ious > min_iou]
        torch.testing.assert_close(masks, wanted, atol=1e-5, rtol=1e-4)
        torch.testing.assert_close(ious, wanted_ious, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize(
    ("name", "hidden_size", "layers", "heads", "global_attention"),
    [
        ("vit_b", 768, 12, 12, [2, 5, 8, 11]),
        ("vit_l", 1024, 24, 16, [5, 11, 17, 23]),
        ("vit_h", 1280, 32, 16, [7, 15, 23, 31]),
    ],
)
def test_published_sizes_are_recognised(
    name: str, hidden_size: int, layers: int, heads: int, global_attention: list[int]
) -> None:
    torchvision_functions.install()
    from segment_anything import sam_model_registry

    with torch.device("meta"):
        config = infer_config(sam_model_registry[name]().state_dict())
    vision = config.vision_config
    assert (vision.hidden_size, vision.num_hidden_layers) == (hidden_size, layers)
    assert (vision.num_attention_heads, vision.window_size) == (heads, 14)
    assert (vision.image_size, vision.patch_size) == (1024, 16)
    assert list(vision.global_attn_indexes) == global_attention
    assert config.mask_decoder_config.attention_downsample_rate == 2
