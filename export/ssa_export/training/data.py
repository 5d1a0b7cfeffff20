"""The scenes that the mini models learn from, drawn once and kept on disk.

Seeds: training uses `TRAINING_SEED + k` and nothing else. `ssa scenes`, the tests and the README
take theirs from `scene_seed(seed, k)`, 64-bit hashes that do not fall into that range, so that all
figures reported for the mini models are on scenes they have not seen.
"""

from __future__ import annotations

import hashlib
import logging
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from ssa_export.scenes import UNLABELLED, render_scene

TRAINING_SEED: Final = 1_000_000
SCENE_HW: Final = (480, 640)
MAX_INSTANCES: Final = 1024

_CHUNK = 25
_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class SceneStore:
    """N scenes as memory-mapped arrays.

    Attributes:
        images: uint8 [N, H, W, 3], RGB.
        instances: uint16 [N, H, W], which instance each pixel shows.
        classes: uint8 [N, MAX_INSTANCES], trainId of each instance, `UNLABELLED` past the last.
    """

    images: npt.NDArray[np.uint8]
    instances: npt.NDArray[np.uint16]
    classes: npt.NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.images)


def scene_store(count: int, cache: Path) -> SceneStore:
    """The first `count` training scenes, drawn by two processes unless `cache` has them.

    The name of the folder inside `cache` carries a hash of the first scene: scenes that are drawn
    differently, after a change to `ssa_export.scenes`, are other scenes.
    """
    first = render_scene(TRAINING_SEED, SCENE_HW)
    look = hashlib.sha256(first.image.tobytes() + first.instance_map.tobytes()).hexdigest()[:12]
    folder = cache / f"scenes-{count}-{look}"
    if not folder.is_dir():
        _draw(count, folder)
    images, instances, classes = (
        np.load(folder / f"{name}.npy", mmap_mode="r")
        for name in ("images", "instances", "classes")
    )
    return SceneStore(images, instances, classes)


def _draw(count: int, folder: Path) -> None:
    """Draw into a folder of another name first, so that a folder that exists is complete."""
    partial = folder.with_suffix(".partial")
    partial.mkdir(parents=True, exist_ok=True)
    layout: dict[str, tuple[type[np.generic], tuple[int, ...]]] = {
        "images": (np.uint8, (count, *SCENE_HW, 3)),
        "instances": (np.uint16, (count, *SCENE_HW)),
        "classes": (np.uint8, (count, MAX_INSTANCES)),
    }
    for name, (dtype, shape) in layout.items():
        np.lib.format.open_memmap(  # type: ignore[no-untyped-call]
            partial / f"{name}.npy", "w+", dtype, shape
        )
    starts = range(0, count, _CHUNK)
    with ProcessPoolExecutor(max_workers=2) as pool:
        for done in pool.map(_draw_chunk, [partial] * len(starts), starts, [count] * len(starts)):
            if done % 500 < _CHUNK or done == count:
                _logger.info("drew %d of %d scenes", done, count)
    partial.rename(folder)


def _draw_chunk(folder: Path, start: int, count: int) -> int:
    images, instances, classes = (
        np.load(folder / f"{name}.npy", mmap_mode="r+")
        for name in ("images", "instances", "classes")
    )
    stop = min(start + _CHUNK, count)
    for index in range(start, stop):
        scene = render_scene(TRAINING_SEED + index, SCENE_HW)
        if len(scene.instances) > MAX_INSTANCES:
            raise ValueError(
                f"scene {TRAINING_SEED + index} has {len(scene.instances)} instances; "
                f"the store holds {MAX_INSTANCES}"
            )
        images[index] = scene.image
        instances[index] = scene.instance_map.astype(np.uint16)
        classes[index] = UNLABELLED
        classes[index, : len(scene.instances)] = [i.class_id for i in scene.instances]
    return stop
