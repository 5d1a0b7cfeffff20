"""The served ensemble against segment-anything's generator and the original's vote.

Both sides use the committed mini checkpoints, ours exported and served, theirs in PyTorch, on
scenes that were not used in training.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from pycocotools import mask as coco_mask

from ssa_backend.settings import MaskSettings, RepositorySettings
from ssa_client import SegmentationResult, SsaClient
from ssa_export.presets import CHECKPOINTS
from ssa_export.scenes import render_scene, scene_seed
from tests.reference.closed_set import ClosedSetReference
from tests.reference.segment_anything_sam import generate, load_sam

SEED = 20
SCENES = 20
SAME_MASK_IOU = 0.99
MATCHED_SHARE = 0.995

# Scenes at a time: the reference computes on one core while the server answers on another.
AT_A_TIME = 2

SMALL = (240, 320)
FULL = (480, 640)


@cache
def sam() -> Any:
    return load_sam(CHECKPOINTS / "mini-sam")


@cache
def closed_set() -> ClosedSetReference:
    return ClosedSetReference(CHECKPOINTS / "mini-segformer")


@pytest.fixture(scope="module", autouse=True)
def _loaded() -> None:
    """Both before there are threads: transformers loads one checkpoint at a time."""
    sam()
    closed_set()


@dataclass(frozen=True)
class Scene:
    """A scene with what the reference's segmenter says of it, the same at all mask settings."""

    rgb: npt.NDArray[np.uint8]
    branch_map: npt.NDArray[np.int64]


@cache
def scene(index: int, size_hw: tuple[int, int]) -> Scene:
    rgb = render_scene(scene_seed(SEED, index), size_hw).image
    return Scene(rgb, closed_set().branch_map(rgb))


@dataclass(frozen=True)
class Compared:
    """What both sides say of a scene: the reference's masks, largest first, and their names."""

    scene: Scene
    reference: list[dict[str, Any]]
    names: list[str]
    served: SegmentationResult


def both_sides(scene: Scene, settings: MaskSettings, client: SsaClient) -> Compared:
    reference = generate(sam(), scene.rgb, settings)
    names = closed_set().class_names(scene.branch_map, [a["segmentation"] for a in reference])
    served = client.segment(
        scene.rgb,
        branch=True,
        points_per_side=settings.points_per_side,
        crop_n_layers=settings.crop_n_layers,
    )
    return Compared(scene, reference, names, served)


@dataclass
class Tally:
    """What was compared over all scenes."""

    reference: int = 0
    served: int = 0
    matched: int = 0
    unequal_counts: list[str] = field(default_factory=list)
    unequal_names: list[str] = field(default_factory=list)
    unequal_branch_pixels: int = 0

    def add(self, scene: str, found: Compared) -> None:
        reference, served = found.reference, found.served.masks
        different = found.served.branch_map != found.scene.branch_map
        self.unequal_branch_pixels += int(np.count_nonzero(different))
        self.reference += len(reference)
        self.served += len(served)
        if len(reference) != len(served):
            self.unequal_counts.append(f"{scene}: {len(reference)} and {len(served)}")
        if not reference or not served:
            return
        overlap = coco_mask.iou(
            [annotation["segmentation"] for annotation in reference],
            [mask.segmentation for mask in served],
            [0] * len(served),
        )
        for row, name in zip(overlap, found.names, strict=True):
            match = int(row.argmax())
            if row[match] >= SAME_MASK_IOU:
                self.matched += 1
                if served[match].class_name != name:
                    self.unequal_names.append(f"{scene}: {name} and {served[match].class_name}")


@pytest.mark.timeout(3600)
@pytest.mark.parametrize(
    ("size_hw", "points_per_side", "crop_n_layers"),
    [
        pytest.param(SMALL, 16, 0, id="small"),
        # Five times as many images: the whole one, and four crops of it on grids of half the side.
        pytest.param(SMALL, 12, 1, id="small with crops"),
        pytest.param(FULL, 32, 0, id="full", marks=pytest.mark.full),
        pytest.param(FULL, 32, 1, id="full with crops", marks=pytest.mark.full),
    ],
)
def test_served_masks_are_segment_anythings(
    size_hw: tuple[int, int],
    points_per_side: int,
    crop_n_layers: int,
    client: SsaClient,
    repository_settings: RepositorySettings,
) -> None:
    settings = replace(
        repository_settings.masks, points_per_side=points_per_side, crop_n_layers=crop_n_layers
    )
    tally = Tally()
    with ThreadPoolExecutor(AT_A_TIME) as pool:
        found = pool.map(lambda k: both_sides(scene(k, size_hw), settings, client), range(SCENES))
        for k, compared in enumerate(found):
            tally.add(f"scene {k}", compared)
    print(f"\n{size_hw}, {points_per_side} points a side, {crop_n_layers} crop layers: {tally}")

    assert tally.reference > 3 * SCENES, "too few masks to compare"
    assert not tally.unequal_counts
    assert tally.matched >= MATCHED_SHARE * tally.reference
    assert not tally.unequal_names
    assert tally.unequal_branch_pixels <= 1e-4 * SCENES * size_hw[0] * size_hw[1]
