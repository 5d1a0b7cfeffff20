"""Mask generation against segment-anything's `SamAutomaticMaskGenerator`, both on one network."""

from __future__ import annotations

import dataclasses
import tracemalloc
from itertools import product
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from pycocotools import mask as coco_mask
from segment_anything import SamAutomaticMaskGenerator

from ssa_backend.images import sam_pixel_values
from ssa_backend.masks import generation
from ssa_backend.masks.generation import GeneratedMasks, MaskGenerator, prompts_in_caches
from ssa_backend.settings import MaskSettings
from tests.reference import analytic_sam, drawings
from tests.reference.segment_anything_sam import published_settings

SAM = analytic_sam.SETTINGS
BASE = MaskSettings(points_per_side=8)

SIZE_HW = (96, 128)
OTHER_SIZES = [(150, 110), (64, 64), (40, 300), (23, 19)]

VARIANTS: dict[str, dict[str, Any]] = {
    "as published": {},
    "one crop layer": {"crop_n_layers": 1},
    "two crop layers": {"crop_n_layers": 2},
    "crops with loose suppression": {"crop_n_layers": 1, "crop_nms_thresh": 0.95},
    "every mask": {"pred_iou_thresh": 0.0, "stability_score_thresh": 0.0, "box_nms_thresh": 1.0},
    "no IoU threshold": {"pred_iou_thresh": 0.0},
    "no stability threshold": {"stability_score_thresh": 0.0},
    "wide stability offset": {"stability_score_offset": 3.0, "stability_score_thresh": 0.6},
    "tight suppression": {"box_nms_thresh": 0.2},
    "no cleaning": {"min_mask_region_area": 0},
    "much cleaning": {"min_mask_region_area": 900, "pred_iou_thresh": 0.7},
    "batches that do not divide the prompts": {"points_per_batch": 7},
}

CASES: list[tuple[str, tuple[int, int]]] = [
    *((variant, SIZE_HW) for variant in VARIANTS),
    *product(("as published", "one crop layer", "much cleaning"), OTHER_SIZES),
]


@pytest.fixture(scope="module")
def generator() -> MaskGenerator:
    return MaskGenerator(SAM, analytic_sam.encode, analytic_sam.decode)


@pytest.fixture(scope="module")
def reference_sam() -> Any:
    return analytic_sam.reference_sam()


def generate(
    generator: MaskGenerator, rgb: npt.NDArray[np.uint8], settings: MaskSettings
) -> GeneratedMasks:
    return generator.generate(rgb, analytic_sam.encode(sam_pixel_values(rgb, SAM)), settings)


def iou(a: Any, b: Any, size_hw: tuple[int, int]) -> float:
    """Of two RLE counts."""
    rles = [{"size": list(size_hw), "counts": counts} for counts in (a, b)]
    return float(coco_mask.iou(rles[:1], rles[1:], [False])[0, 0])


@pytest.mark.parametrize(("variant", "size_hw"), CASES)
def test_masks_are_those_of_segment_anything(
    generator: MaskGenerator, reference_sam: Any, variant: str, size_hw: tuple[int, int]
) -> None:
    settings = dataclasses.replace(BASE, **VARIANTS[variant])
    rgb = drawings.shapes(sum(size_hw), size_hw)
    reference = SamAutomaticMaskGenerator(
        reference_sam, output_mode="coco_rle", **published_settings(settings)
    )
    expected = sorted(reference.generate(rgb), key=lambda mask: -mask["area"])
    found = generate(generator, rgb, settings)

    assert len(found.segmentation) == len(expected)
    # The prompt, the crop and the network's own IoU say which mask is which.
    keys = np.column_stack([found.points, found.crop_xywh, found.predicted_iou]).tolist()
    assert len({tuple(key) for key in keys}) == len(keys)
    for mask in expected:
        point = np.array(mask["point_coords"][0], np.float32).tolist()
        row = keys.index([*point, *mask["crop_box"], mask["predicted_iou"]])
        assert iou(found.segmentation[row], mask["segmentation"]["counts"], size_hw) >= 0.99
        assert found.area[row] == pytest.approx(mask["area"], rel=0.01)
        assert found.bbox_xywh[row].tolist() == pytest.approx(mask["bbox"], abs=1)
        assert found.stability_score[row] == pytest.approx(mask["stability_score"], abs=2e-3)


def test_the_variants_do_different_things(generator: MaskGenerator) -> None:
    """Or else the comparison above would compare the same few masks again and again."""
    rgb = drawings.shapes(sum(SIZE_HW), SIZE_HW)
    counts = {
        name: len(generate(generator, rgb, dataclasses.replace(BASE, **changes)).segmentation)
        for name, changes in VARIANTS.items()
    }
    same = {"batches that do not divide the prompts"}  # as "as published"
    assert len({n for name, n in counts.items() if name not in same}) > len(counts) / 2
    assert min(counts.values()) > 5


def test_masks_come_by_area_and_their_fields_agree(generator: MaskGenerator) -> None:
    found = generate(generator, drawings.shapes(2, SIZE_HW), BASE)
    assert (np.diff(found.area) <= 0).all()
    for counts, area, box in zip(
        found.segmentation, found.area.tolist(), found.bbox_xywh.tolist(), strict=True
    ):
        rle = {"size": list(SIZE_HW), "counts": counts}
        assert int(coco_mask.area(rle)) == area
        x, y, width, height = coco_mask.toBbox(rle).astype(int).tolist()
        assert box == [x, y, width - 1, height - 1]


def test_no_mask_at_all(generator: MaskGenerator) -> None:
    strict = dataclasses.replace(BASE, pred_iou_thresh=1.0, crop_n_layers=1)
    found = generate(generator, drawings.shapes(3, (60, 80)), strict)
    assert found.segmentation == []
    assert found.bbox_xywh.shape == found.crop_xywh.shape == (0, 4)
    assert found.points.shape == (0, 2)


def test_empty_masks_are_left_out() -> None:
    """segment-anything gives them back when its stability threshold is 0."""

    def nothing(*arguments: Any) -> Any:
        masks, ious = analytic_sam.decode(*arguments)
        return np.full_like(masks, -50), ious

    everything = dataclasses.replace(BASE, **VARIANTS["every mask"])
    empty = MaskGenerator(SAM, analytic_sam.encode, nothing)
    assert generate(empty, drawings.shapes(3, (60, 80)), everything).segmentation == []


def test_the_encoder_sees_each_crop_once_in_batches_and_the_whole_image_never() -> None:
    seen = []

    def encode(pixels: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        seen.append(pixels.shape)
        return analytic_sam.encode(pixels)

    generate(
        MaskGenerator(SAM, encode, analytic_sam.decode),
        drawings.shapes(4, (60, 80)),
        dataclasses.replace(BASE, crop_n_layers=2),
    )
    assert seen == [(4, 3, 64, 64)] * 5


def test_adaptive_prompts_ask_where_no_mask_is_yet(generator: MaskGenerator) -> None:
    asked = []

    def decode(embedding: Any, points: Any, *others: Any) -> Any:
        asked.append(points[:, 0])
        return analytic_sam.decode(embedding, points, *others)

    rgb = drawings.shapes(5, (60, 80))
    counting = MaskGenerator(SAM, analytic_sam.encode, decode)
    few = dataclasses.replace(BASE, adaptive_prompts=1, pred_iou_thresh=0.98)
    in_crops = dataclasses.replace(few, crop_n_layers=1)
    assert len({tuple(box) for box in generate(counting, rgb, in_crops).crop_xywh.tolist()}) > 1
    assert 16 + 4 * 4 < sum(map(len, asked)) < 64 + 4 * 16
    asked.clear()

    found = generate(counting, rgb, few)
    prompts = np.concatenate(asked) / [64, 48]  # the image lies in the upper 48 rows of the square
    on_grid = np.round(prompts * 8 - 0.5).astype(int)
    np.testing.assert_allclose((on_grid + 0.5) / 8, prompts, atol=1e-6)
    is_coarse = (on_grid % 2 == 0).all(axis=1)
    assert is_coarse[:16].all()
    assert not is_coarse[16:].any()
    assert 16 < len(prompts) < 64
    # Whatever it finds at a prompt, the whole grid finds there too, or something so like it that
    # the one suppresses the other.
    exact = generate(generator, rgb, dataclasses.replace(few, adaptive_prompts=0))
    for counts in found.segmentation:
        assert max(iou(counts, other, (60, 80)) for other in exact.segmentation) > 0.5

    asked.clear()
    generate(counting, rgb, dataclasses.replace(few, pred_iou_thresh=0.0))
    assert sum(map(len, asked)) == 16  # whose masks cover everything


def test_the_decoder_draws_what_passes_and_no_more(generator: MaskGenerator) -> None:
    asked, drawn = [], []

    def decode(*arguments: Any) -> Any:
        masks, ious = analytic_sam.decode(*arguments)
        asked.append(arguments[-1])
        drawn.append(len(masks))
        return masks, ious

    counting = MaskGenerator(SAM, analytic_sam.encode, decode)
    rgb = drawings.shapes(5, (60, 80))
    generate(counting, rgb, BASE)
    assert set(asked) == {BASE.pred_iou_thresh}
    assert 0 < sum(drawn) < BASE.points_per_side**2 * 3
    generate(counting, rgb, dataclasses.replace(BASE, pred_iou_thresh=0.0))
    assert asked[-1] == -np.inf


@pytest.mark.parametrize(("threads", "fit"), [(1, 10), (2, 10), (4, 20)])
def test_prompts_of_a_call_are_bounded_by_what_fits_caches(
    monkeypatch: pytest.MonkeyPatch, threads: int, fit: int
) -> None:
    sizes = []

    def decode(embedding: Any, points: Any, *others: Any) -> Any:
        sizes.append(len(points))
        return analytic_sam.decode(embedding, points, *others)

    one = 4 * SAM.embed_dim * SAM.embed_size**2
    monkeypatch.setattr(generation, "IMAGE_BYTES_A_THREAD", 10 * one)
    bounded = MaskGenerator(SAM, analytic_sam.encode, decode, threads)
    rgb = drawings.shapes(5, (60, 80))
    found = generate(bounded, rgb, BASE)
    assert fit // 2 < max(sizes) <= fit
    assert sum(sizes) == BASE.points_per_side**2
    monkeypatch.undo()
    assert generate(bounded, rgb, BASE).segmentation == found.segmentation
    assert max(sizes) > fit


@pytest.mark.parametrize(
    ("side", "points_per_batch", "threads", "prompts"),
    [(256, 64, 2, generation.MIN_PROMPTS), (256, 2, 2, 2), (24, 64, 2, 14), (24, 64, 64, 64)],
)
def test_a_call_has_some_prompts_and_no_more_than_asked_for(
    side: int, points_per_batch: int, threads: int, prompts: int
) -> None:
    sam = dataclasses.replace(SAM, embed_dim=256, embed_size=side)
    settings = dataclasses.replace(BASE, points_per_batch=points_per_batch)
    assert prompts_in_caches(sam, settings, threads) == prompts


def test_memory_does_not_grow_with_the_number_of_masks() -> None:
    rgb = drawings.shapes(6, (600, 900))
    full_size = 600 * 900 * 4  # bytes of one mask's logits
    everything = dataclasses.replace(
        BASE, points_per_side=7, min_mask_region_area=0, **VARIANTS["every mask"]
    )
    generator = MaskGenerator(SAM, analytic_sam.encode, analytic_sam.decode, threads=2)
    tracemalloc.start()
    try:
        found = generate(generator, rgb, everything)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(found.segmentation) == 7 * 7 * 3
    # No mask is ever drawn: what there is are runs, and the logits of a batch in small.
    assert peak < 3 * full_size
