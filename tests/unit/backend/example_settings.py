"""A repository's settings with no default left in them, sized for `analytic_sam`."""

from __future__ import annotations

import dataclasses

from ssa_backend.settings import (
    ImageSettings,
    MaskSettings,
    RepositorySettings,
    SegmenterSettings,
)
from tests.reference import analytic_sam

EXAMPLE = RepositorySettings(
    preset="example",
    sam=dataclasses.replace(
        analytic_sam.SETTINGS,
        mean=(120.0, 110.0, 100.0),
        std=(60.0, 61.0, 62.0),
        mask_threshold=0.5,
        source="somewhere/sam",
        sha256="ab",
    ),
    segmenter=SegmenterSettings(
        height=24,
        width=40,
        logits_height=6,
        logits_width=10,
        labels=("road", "tree", "café", "car"),
        mean=(99.0, 98.0, 97.0),
        std=(50.0, 51.0, 52.0),
        align_corners=False,
        source="somewhere/segmenter",
        sha256="cd",
    ),
    masks=MaskSettings(
        points_per_side=6,
        points_per_batch=16,
        pred_iou_thresh=0.7,
        stability_score_thresh=0.8,
        stability_score_offset=2.0,
        box_nms_thresh=0.6,
        crop_n_layers=1,
        crop_nms_thresh=0.65,
        crop_overlap_ratio=0.25,
        crop_n_points_downscale_factor=3,
        min_mask_region_area=20,
    ),
    images=ImageSettings(min_side=10, max_pixels=1_000_000, max_bytes=100_000),
    network_backend="tensorrt",
)
