"""The served ensemble against segment-anything's generator and the original's vote.

Both sides use the committed mini checkpoints, ours exported and served, theirs in PyTorch, on
scenes that were not used in training.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

import numpy as np
import pytest
from pycocotools import mask as coco_mask

from ssa_backend.settings import RepositorySettings
from ssa_client import Mask, SsaClient
from ssa_export.presets import CHECKPOINTS
from ssa_export.scenes import render_scene, scene_seed
from tests.reference.closed_set import ClosedSetReference
from tests.reference.segment_anything_sam import generate, load_sam

SEED = 20
SCENES = 20
SAME_MASK_IOU = 0.99
MATCHED_SHARE = 0.995

SMALL = ((240, 320), 16)
FULL = ((480, 640), 32)


@cache
def sam() -> Any:
    return load_sam(CHECKPOINTS / "mini-sam")


@cache
def closed_set() -> ClosedSetReference:
    return ClosedSetReference(CHECKPOINTS / "mini-segformer")


@dataclass
class Tally:
    """What was compared over all scenes."""

    reference: int = 0
    served: int = 0
    matched: int = 0
    unequal_counts: list[str] = field(default_factory=list)
    unequal_names: list[str] = field(default_factory=list)
    unequal_branch_pixels: int = 0

    def add(
        self,
        scene: str,
        reference: list[dict[str, Any]],
        names: list[str],
        served: tuple[Mask, ...],
    ) -> None:
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
        for row, name in zip(overlap, names, strict=True):
            match = int(row.argmax())
            if row[match] >= SAME_MASK_IOU:
                self.matched += 1
                if served[match].class_name != name:
                    self.unequal_names.append(f"{scene}: {name} and {served[match].class_name}")


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("crop_n_layers", [0, 1])
@pytest.mark.parametrize(
    ("size_hw", "points_per_side"),
    [pytest.param(*SMALL, id="small"), pytest.param(*FULL, id="full", marks=pytest.mark.full)],
)
def test_served_masks_are_segment_anythings(
    size_hw: tuple[int, int],
    points_per_side: int,
    crop_n_layers: int,
    client: SsaClient,
    repository_settings: RepositorySettings,
) -> None:
    changes = {"points_per_side": points_per_side, "crop_n_layers": crop_n_layers}
    settings = replace(repository_settings.masks, **changes)
    tally = Tally()
    for k in range(SCENES):
        rgb = render_scene(scene_seed(SEED, k), size_hw).image
        reference = generate(sam(), rgb, settings)
        branch_map = closed_set().branch_map(rgb)
        names = closed_set().class_names(branch_map, [a["segmentation"] for a in reference])
        served = client.segment(
            rgb, branch=True, points_per_side=points_per_side, crop_n_layers=crop_n_layers
        )
        tally.add(f"scene {k}", reference, names, served.masks)
        tally.unequal_branch_pixels += int(np.count_nonzero(served.branch_map != branch_map))
    print(f"\n{size_hw}, {points_per_side} points a side, {crop_n_layers} crop layers: {tally}")

    assert tally.reference > 3 * SCENES, "too few masks to compare"
    assert not tally.unequal_counts
    assert tally.matched >= MATCHED_SHARE * tally.reference
    assert not tally.unequal_names
    assert tally.unequal_branch_pixels <= 1e-4 * SCENES * size_hw[0] * size_hw[1]
