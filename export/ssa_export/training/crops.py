"""What the engine's models see of each mask, cut from the training scenes once and kept on disk.

Resizing a crop costs more than a training step of such small models has to give, so each of some
ten thousand instances is brought to every model's input size beforehand, exactly as at serving.
"""

from __future__ import annotations

import json
import logging
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image

from ssa_backend.engine.crops import CAPTION_SCALE, CLIP_SCALE, scaled_window
from ssa_export.scenes.captions import Region, caption, main_colour
from ssa_export.scenes.names import COLOURS
from ssa_export.training.data import SceneStore, scene_store

CLIP_SIZE: Final = 96
BLIP_SIZE: Final = 96
CLIPSEG_SIZE: Final = 96

MIN_PIXELS: Final = 250
CAPTIONS: Final = 3
"""Written for each crop."""

_NO_COLOUR: Final = 255
_FACTS_SIDE: Final = 160
_CHUNK: Final = 250
_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class CropStore:
    """N instances as the models see them, memory-mapped where large.

    Attributes:
        clip: uint8 [N, CLIP_SIZE, CLIP_SIZE, 3], RGB.
        blip: uint8 [N, BLIP_SIZE, BLIP_SIZE, 3].
        clipseg: uint8 [N, CLIPSEG_SIZE, CLIPSEG_SIZE, 3].
        clipseg_classes: uint8 [N, CLIPSEG_SIZE, CLIPSEG_SIZE], trainId of each pixel of `clipseg`.
        class_ids: uint8 [N], trainId of the instance.
        colours: uint8 [N], position of its main colour in `COLOURS`, 255 if it has none.
        captions: `CAPTIONS` true sentences about each.
    """

    clip: npt.NDArray[np.uint8]
    blip: npt.NDArray[np.uint8]
    clipseg: npt.NDArray[np.uint8]
    clipseg_classes: npt.NDArray[np.uint8]
    class_ids: npt.NDArray[np.uint8]
    colours: npt.NDArray[np.uint8]
    captions: list[list[str]]

    def __len__(self) -> int:
        return len(self.class_ids)

    def colour(self, index: int) -> str | None:
        """The name of one instance's colour."""
        number = int(self.colours[index])
        return None if number == _NO_COLOUR else COLOURS[number]


def clip_pixels(crop: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """As CLIPImageProcessor: the shortest edge brought to size, the middle cut out.

    uint8 [H, W, 3] to [CLIP_SIZE, CLIP_SIZE, 3].
    """
    height, width = crop.shape[:2]
    short = min(height, width)
    size = int(CLIP_SIZE * width / short), int(CLIP_SIZE * height / short)
    resized = np.asarray(Image.fromarray(crop).resize(size, Image.Resampling.BICUBIC))
    top, left = (size[1] - CLIP_SIZE) // 2, (size[0] - CLIP_SIZE) // 2
    return resized[top : top + CLIP_SIZE, left : left + CLIP_SIZE]


def blip_pixels(crop: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """As BlipImageProcessor: squeezed into the square. uint8 [BLIP_SIZE, BLIP_SIZE, 3]."""
    size = (BLIP_SIZE, BLIP_SIZE)
    return np.asarray(Image.fromarray(crop).resize(size, Image.Resampling.BICUBIC))


def clipseg_pixels(crop: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Bilinear without smoothing, as `F.interpolate`. uint8 [CLIPSEG_SIZE, CLIPSEG_SIZE, 3]."""
    size = (CLIPSEG_SIZE, CLIPSEG_SIZE)
    resized: npt.NDArray[np.uint8] = cv2.resize(crop, size, interpolation=cv2.INTER_LINEAR)
    return resized


def crop_store(count: int, scenes: int, cache: Path) -> CropStore:
    """`count` crops of the first `scenes` training scenes, cut unless `cache` has them."""
    folder = cache / f"crops-{count}-{scenes}-{CLIP_SIZE}-{BLIP_SIZE}-{CLIPSEG_SIZE}"
    if not folder.is_dir():
        _cut(count, scenes, cache, folder)
    arrays = {name: np.load(folder / f"{name}.npy", mmap_mode="r") for name in _SHAPES}
    return CropStore(**arrays, captions=json.loads((folder / "captions.json").read_text()))


_SHAPES: Final[dict[str, tuple[int, ...]]] = {
    "clip": (CLIP_SIZE, CLIP_SIZE, 3),
    "blip": (BLIP_SIZE, BLIP_SIZE, 3),
    "clipseg": (CLIPSEG_SIZE, CLIPSEG_SIZE, 3),
    "clipseg_classes": (CLIPSEG_SIZE, CLIPSEG_SIZE),
    "class_ids": (),
    "colours": (),
}


def choose_instances(
    store: SceneStore, count: int, rng: np.random.Generator
) -> npt.NDArray[np.int64]:
    """Scene and instance of each crop, [count, 2], ordered by scene.

    Instances of less than `MIN_PIXELS` are left out; of a class with n instances, sqrt(n) in
    proportion are taken, so that rare ones are seen often enough.
    """
    places, classes = [], []
    for scene in range(len(store)):
        areas = np.bincount(store.instances[scene].ravel())
        large = np.flatnonzero(areas >= MIN_PIXELS)
        places.append(np.stack([np.full(len(large), scene), large], axis=1))
        classes.append(store.classes[scene][large])
    all_places, all_classes = np.concatenate(places), np.concatenate(classes)
    weights = np.bincount(all_classes, minlength=256)[all_classes] ** -0.5
    chosen = rng.choice(len(all_places), count, p=weights / weights.sum())
    places_of_chosen: npt.NDArray[np.int64] = all_places[np.sort(chosen)]
    return places_of_chosen


def _cut(count: int, scenes: int, cache: Path, folder: Path) -> None:
    """Cut into a folder of another name first, so that a folder that exists is complete."""
    partial = folder.with_suffix(".partial")
    partial.mkdir(parents=True, exist_ok=True)
    store = scene_store(scenes, cache)
    places = choose_instances(store, count, np.random.default_rng(0))
    for name, shape in _SHAPES.items():
        np.lib.format.open_memmap(  # type: ignore[no-untyped-call]
            partial / f"{name}.npy", "w+", np.uint8, (count, *shape)
        )
    jobs = [
        _Job(start, places[start : start + _CHUNK], scenes, cache, partial)
        for start in range(0, count, _CHUNK)
    ]
    captions: list[list[str]] = []
    with ProcessPoolExecutor(max_workers=2) as pool:
        for written in pool.map(_cut_chunk, jobs):
            captions += written
            if len(captions) % 2000 == 0:
                _logger.info("cut %d of %d crops", len(captions), count)
    (partial / "captions.json").write_text(json.dumps(captions))
    partial.rename(folder)


@dataclass(frozen=True)
class _Job:
    start: int
    places: npt.NDArray[np.int64]
    scenes: int
    cache: Path
    folder: Path


def _cut_chunk(job: _Job) -> list[list[str]]:
    cv2.setNumThreads(1)
    store = scene_store(job.scenes, job.cache)
    out = {name: np.load(job.folder / f"{name}.npy", mmap_mode="r+") for name in _SHAPES}
    captions = []
    for index, (scene, instance) in enumerate(job.places.tolist(), job.start):
        rng = np.random.default_rng([0, index])
        image = np.asarray(store.images[scene])
        instances, classes = np.asarray(store.instances[scene]), store.classes[scene]
        mask = instances == instance
        box = _shaken(_box_xywh(mask), rng)
        out["clip"][index] = clip_pixels(scaled_window(mask.shape, box, CLIP_SCALE).of(image))
        window = scaled_window(mask.shape, box, CAPTION_SCALE)
        ids = window.of(instances)
        out["blip"][index] = blip_pixels(window.of(image))
        out["clipseg"][index] = clipseg_pixels(window.of(image))
        size = (CLIPSEG_SIZE, CLIPSEG_SIZE)
        out["clipseg_classes"][index] = cv2.resize(
            classes[ids], size, interpolation=cv2.INTER_NEAREST_EXACT
        )
        colour = main_colour(rng.choice(image[mask], 400))
        out["class_ids"][index] = classes[instance]
        out["colours"][index] = _NO_COLOUR if colour is None else COLOURS.index(colour)
        subject, others = regions(ids, classes, instance)
        captions.append([caption(subject, colour, others, rng) for _ in range(CAPTIONS)])
    return captions


def _tight_box(mask: npt.NDArray[np.bool_]) -> tuple[int, int, int, int]:
    """Around the pixels of a mask: x0, y0, x1, y1, ends exclusive."""
    xs, ys = np.flatnonzero(mask.any(0)), np.flatnonzero(mask.any(1))
    return int(xs[0]), int(ys[0]), int(xs[-1]) + 1, int(ys[-1]) + 1


def _box_xywh(mask: npt.NDArray[np.bool_]) -> npt.NDArray[np.int32]:
    """As segment-anything has it, which counts the last pixel as no part of width and height."""
    x0, y0, x1, y1 = _tight_box(mask)
    return np.array([x0, y0, x1 - 1 - x0, y1 - 1 - y0], np.int32)


def _shaken(box_xywh: npt.NDArray[np.int32], rng: np.random.Generator) -> npt.NDArray[np.int32]:
    """Half of the boxes with every side off by up to 8%, as around an imperfect mask."""
    if rng.random() < 0.5:
        return box_xywh
    x, y, w, h = box_xywh.tolist()
    left, top, right, bottom = rng.uniform(-0.08, 0.08, 4) * (w, h, w, h)
    return np.array([max(x + left, 0), max(y + top, 0), w + right - left, h + bottom - top]).astype(
        np.int32
    )


def regions(
    ids: npt.NDArray[np.uint16], classes: npt.NDArray[np.uint8], instance: int
) -> tuple[Region, list[Region]]:
    """The instance that a crop is of, and what else takes at least 1.5% of the crop.

    Args:
        ids: [h, w], instances of the crop's pixels.
        classes: trainId by instance.
    """
    mask = ids == instance
    around = cv2.dilate(mask.astype(np.uint8), np.ones((7, 7), np.uint8)).astype(bool)
    subject = Region(int(classes[instance]), int(mask.sum()), _tight_box(mask), touching=True)
    # The rest need not be that exact.
    step = max(1, max(ids.shape) // _FACTS_SIDE)
    coarse = ids[::step, ::step]
    touching = set(np.unique(coarse[around[::step, ::step]]).tolist())
    others = []
    for number, area in enumerate(np.bincount(coarse.ravel()).tolist()):
        if number != instance and area >= 0.015 * coarse.size:
            x0, y0, x1, y1 = (edge * step for edge in _tight_box(coarse == number))
            box = (x0, y0, x1, y1)
            class_id = int(classes[number])
            others.append(Region(class_id, area * step * step, box, number in touching))
    return subject, others
