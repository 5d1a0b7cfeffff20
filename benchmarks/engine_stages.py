"""The stages of the engine, on the mini models: captions, CLIP and CLIPSeg."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from benchmarks.in_process_engine import build_captioner, build_clip, build_clipseg
from benchmarks.stage import Speed, Stage
from ssa_backend import rle
from ssa_backend.settings import RepositorySettings
from tests.reference.engine_scenes import mini_reference

ENGINE_MASKS = 20


def engine_stages(repository: Path, rgb: npt.NDArray[np.uint8], speed: Speed) -> Iterator[Stage]:
    """What the engine does for every mask; of the floors are each crop and each name once."""
    settings = RepositorySettings.load(repository)
    rng = np.random.default_rng(0)
    corners = np.sort(rng.integers(0, 400, (ENGINE_MASKS, 2, 2)), axis=1)
    boxes = np.concatenate([corners[:, 0], corners[:, 1] - corners[:, 0] + 20], axis=1)
    boxes = boxes.astype(np.int32)
    names = [["car", "road", "a brown building", "tree"]] * ENGINE_MASKS
    crops = [rgb[y : y + h, x : x + w] for x, y, w, h in boxes.tolist()]
    reference = mini_reference(settings)

    captioner = build_captioner(repository, settings)

    def caption_all() -> None:
        for crop in crops:
            reference._caption(crop)

    yield Stage(
        f"captions of {ENGINE_MASKS} masks",
        partial(captioner.captions, rgb, boxes),
        caption_all,
        speed.arithmetic_ms(caption_all),
    )
    clip = build_clip(repository, settings)
    choose = partial(reference._clip_scores, crops[0], names[0])
    image_ms = speed.arithmetic_ms(choose, "CLIPModel.vision_model")
    yield Stage(
        f"CLIP among {len(names[0])} names, {ENGINE_MASKS} masks",
        partial(clip.best, rgb, boxes, names),
        lambda: [reference._clip_scores(crop, names[0]) for crop in crops],
        speed.arithmetic_ms(choose) + (ENGINE_MASKS - 1) * image_ms,
    )
    clipseg = build_clipseg(repository, settings)
    masks = [
        rle.runs_of_window(np.ones((h, w), np.bool_), x, y, rgb.shape[0])
        for x, y, w, h in boxes.tolist()
    ]
    three = [row[:3] for row in names]
    judge = partial(reference._clipseg_winners, crops[0], three[0])
    whole_ms, images_ms, maps_ms = (
        speed.arithmetic_ms(judge, module)
        for module in (
            "Global",
            "CLIPSegForImageSegmentation.clip.vision_model",
            "CLIPSegForImageSegmentation.decoder",
        )
    )
    texts_ms = whole_ms - images_ms - maps_ms
    yield Stage(
        f"CLIPSeg among 3 names, {ENGINE_MASKS} masks",
        partial(clipseg.shares, rgb, masks, boxes, three),
        lambda: [reference._clipseg_winners(crop, three[0]) for crop in crops],
        # The reference encodes a crop once for every name.
        texts_ms + ENGINE_MASKS * (images_ms / len(three[0]) + maps_ms),
    )
