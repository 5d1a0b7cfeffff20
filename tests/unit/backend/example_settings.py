"""A repository's settings with no default left in them, sized for `analytic_sam`."""

from __future__ import annotations

import dataclasses

from ssa_backend.settings import (
    BlipSettings,
    ClipSegSettings,
    ClipSettings,
    ImageSettings,
    MaskSettings,
    RepositorySettings,
    SegmenterSettings,
)
from tests.reference import analytic_sam

SEGMENTER = SegmenterSettings(
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
)

COCO = dataclasses.replace(
    SEGMENTER,
    height=32,
    width=48,
    logits_height=8,
    logits_width=12,
    # Two kinds of tree that have the same plain name.
    labels=("person", "car", "tree", "tree", "pavement"),
    source="somewhere/coco",
    sha256="ef",
)

ADE20K = dataclasses.replace(
    SEGMENTER,
    labels=("wall", "tree", "car", "naïve art", "person", "path"),
    source="somewhere/ade20k",
    sha256="01",
)

BLIP = BlipSettings(
    image_size=24,
    patches=5,
    width=7,
    mean=(121.0, 111.0, 101.0),
    std=(66.0, 65.0, 64.0),
    source="somewhere/blip",
    sha256="23",
)

CLIP = ClipSettings(
    image_size=16,
    embed_dim=6,
    logit_scale=20.0,
    context_length=9,
    mean=(122.0, 112.0, 102.0),
    std=(67.0, 66.0, 65.0),
    source="somewhere/clip",
    sha256="45",
)

CLIPSEG = ClipSegSettings(
    image_size=32,
    layers=2,
    patches=5,
    reduced=3,
    embed_dim=4,
    context_length=8,
    mean=(119.0, 109.0, 99.0),
    std=(59.0, 58.0, 57.0),
    source="somewhere/clipseg",
    sha256="67",
)

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
    segmenter=SEGMENTER,
    coco=COCO,
    ade20k=ADE20K,
    blip=BLIP,
    clip=CLIP,
    clipseg=CLIPSEG,
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
        adaptive_prompts=1,
    ),
    images=ImageSettings(min_side=10, max_pixels=1_000_000, max_bytes=100_000),
    network_backend="tensorrt",
    sam_precision="bf16",
)
