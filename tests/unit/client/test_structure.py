"""How masks lie on and in each other, against the same counted pixel by pixel."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from pycocotools import mask as coco_mask

from ssa_client import LabelResult, SegmentationResult, SsaClient, structure
from ssa_client.conversions import encode_mask
from ssa_client.results import Segment
from tests.unit.client.fake_triton import FakeTriton

SIZE_HW = (40, 60)
Bools = npt.NDArray[np.bool_]


def segment(mask: Bools) -> Segment:
    return Segment(encode_mask(mask), (0, 0, 0, 0), int(mask.sum()))


def box(x: int, y: int, width: int, height: int) -> Bools:
    mask = np.zeros(SIZE_HW, np.bool_)
    mask[y : y + height, x : x + width] = True
    return mask


def blobs(seed: int) -> list[Bools]:
    """Boxes within boxes with ragged pixels, some twice, one empty."""
    random = np.random.default_rng(seed)
    masks = [box(*random.integers(0, 30, 2), *random.integers(1, 30, 2)) for _ in range(25)]
    masks = [mask & (random.random(SIZE_HW) < 0.97) for mask in masks]
    return [*masks, masks[3], np.zeros(SIZE_HW, np.bool_)]


def parents_by_pixels(masks: list[Bools]) -> list[int | None]:
    found: list[int | None] = []
    for part in masks:
        wholes = [
            (int(whole.sum()), index)
            for index, whole in enumerate(masks)
            if part.any()
            and whole.sum() > part.sum()
            and (part & whole).sum() / part.sum() >= structure.PART_SHARE
        ]
        found.append(min(wholes)[1] if wholes else None)
    return found


@pytest.mark.parametrize("seed", range(5))
def test_the_tree_is_that_counted_by_pixels(seed: int) -> None:
    masks = blobs(seed)
    segments = [segment(mask) for mask in masks]
    expected = parents_by_pixels(masks)
    assert any(parent is not None for parent in expected)
    assert list(structure.parents(segments)) == expected


@pytest.mark.parametrize("seed", range(3))
def test_the_map_is_disjoint_with_the_smallest_on_top(seed: int) -> None:
    masks = blobs(seed)
    panoptic = structure.panoptic_map([segment(mask) for mask in masks], SIZE_HW)
    assert panoptic.dtype == np.int32
    visible = structure.visible_segmentations(panoptic, len(masks))
    for mine, part in enumerate(visible):
        np.testing.assert_array_equal(coco_mask.decode(part), panoptic == mine)
    for (y, x), index in np.ndenumerate(panoptic):
        over = [(int(mask.sum()), -i) for i, mask in enumerate(masks) if mask[y, x]]
        assert index == (-min(over)[1] if over else structure.UNCOVERED)


def test_a_part_within_a_part_has_the_nearer_whole() -> None:
    car, door, handle = box(5, 5, 40, 30), box(10, 10, 20, 20), box(12, 12, 3, 2)
    masks = [segment(mask) for mask in (handle, car, door)]
    assert structure.parents(masks) == (2, None, 1)


@pytest.mark.parametrize(("width_inside", "parent"), [(9, 0), (8, None)])
def test_nine_tenths_of_a_part_suffice(width_inside: int, parent: int | None) -> None:
    whole = box(0, 0, 30, 30)
    part = box(30 - width_inside, 5, 10, 10)
    assert structure.parents([segment(whole), segment(part)]) == (None, parent)


def test_equal_masks_are_no_parts_of_each_other() -> None:
    same = segment(box(3, 3, 10, 10))
    assert structure.parents([same, same]) == (None, None)
    visible = structure.visible_segmentations(structure.panoptic_map([same, same], SIZE_HW), 2)
    assert coco_mask.area(list(visible)).tolist() == [0, 100]


def test_both_pipelines_results_have_it(triton: FakeTriton, jpeg: bytes) -> None:
    with SsaClient(triton.url) as client:
        result = client.segment(jpeg)
    assert result.parents == (None, None, 1)
    assert result.visible_areas == (2400, 1800, 200)
    assert np.unique(result.panoptic_map).tolist() == [-1, 0, 1, 2]
    assert result.panoptic_map is result.panoptic_map
    assert not result.panoptic_map.flags.writeable


def test_no_masks_have_no_structure() -> None:
    for empty in (
        SegmentationResult(SIZE_HW, (), ("road",), np.zeros(SIZE_HW, np.uint16)),
        LabelResult(SIZE_HW, ()),
    ):
        assert (empty.parents, empty.visible_areas, empty.visible_segmentations) == ((), (), ())
        assert (empty.panoptic_map == structure.UNCOVERED).all()
