"""Scenes on disk, in the layouts that the published datasets have."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image
from pycocotools import mask as coco_mask

from ssa_export.scenes.classes import CITYSCAPES_TO_ADE20K
from ssa_export.scenes.render import render_scene
from ssa_export.scenes.scene import UNLABELLED, Instance, Scene

_CITIES = ("frankfurt", "lindau", "munster")

# Cityscapes' own label ids, which its instance files are made of, in trainId order.
_CITYSCAPES_LABEL_IDS = (7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33)
_FIRST_COUNTABLE = 11
"""trainId of "person": from here on Cityscapes tells instances apart."""

_JPEG_QUALITY = 95


def scene_seed(seed: int, index: int) -> int:
    """The `render_scene` seed of scene `index` (from 0) of a run: the first 64 bits that
    `numpy.random.SeedSequence([seed, index])` generates, the same for every layout and count."""
    return int(np.random.SeedSequence([seed, index]).generate_state(1, np.uint64)[0])


def write_scenes(
    layout: str, out_dir: Path, seed: int, count: int, size_hw: tuple[int, int] = (480, 640)
) -> Iterator[Path]:
    """Write `count` scenes below `out_dir` and yield each one's picture once all of it is there.

    Layouts: "cityscapes" and "ade20k" (their validation splits) and "sa1b".
    """
    if layout not in LAYOUTS:
        raise ValueError(f"unknown layout {layout!r}, choose from {', '.join(LAYOUTS)}")
    return _write_all(LAYOUTS[layout], Path(out_dir), seed, count, size_hw)


Writer = Callable[[Path, int, Scene], Path]


def _write_all(
    write: Writer, out_dir: Path, seed: int, count: int, size_hw: tuple[int, int]
) -> Iterator[Path]:
    for index in range(count):
        yield write(out_dir, index, render_scene(scene_seed(seed, index), size_hw))


def _write_cityscapes(out_dir: Path, index: int, scene: Scene) -> Path:
    """leftImg8bit/val/CITY/..._leftImg8bit.png and, below gtFine, its trainIds and instances."""
    city = _CITIES[index % len(_CITIES)]
    stem = f"{city}_{index // len(_CITIES):06d}_{index + 1:06d}"
    picture = out_dir / "leftImg8bit" / "val" / city / f"{stem}_leftImg8bit.png"
    truth = out_dir / "gtFine" / "val" / city
    for folder in (picture.parent, truth):
        folder.mkdir(parents=True, exist_ok=True)
    Image.fromarray(scene.class_map).save(truth / f"{stem}_gtFine_labelTrainIds.png")
    ids = Image.fromarray(cityscapes_instance_ids(scene))
    ids.save(truth / f"{stem}_gtFine_instanceIds.png")
    Image.fromarray(scene.image).save(picture)
    return picture


def cityscapes_instance_ids(scene: Scene) -> npt.NDArray[np.uint16]:
    """[H, W]: label id * 1000 + a running number where instances are told apart, else label id."""
    numbers = np.zeros(len(scene.instances), dtype=np.uint16)
    seen = dict.fromkeys(range(len(_CITYSCAPES_LABEL_IDS)), 0)
    for instance in scene.instances:
        label = _CITYSCAPES_LABEL_IDS[instance.class_id]
        if instance.class_id >= _FIRST_COUNTABLE:
            label = label * 1000 + seen[instance.class_id]
            seen[instance.class_id] += 1
        numbers[instance.id] = label
    return numbers[scene.instance_map]


def _write_ade20k(out_dir: Path, index: int, scene: Scene) -> Path:
    """images/validation/ADE_val_....jpg, and annotations: class id + 1, 0 where there is none."""
    stem = f"ADE_val_{index + 1:08d}"
    picture = out_dir / "images" / "validation" / f"{stem}.jpg"
    labels = out_dir / "annotations" / "validation" / f"{stem}.png"
    for folder in (picture.parent, labels.parent):
        folder.mkdir(parents=True, exist_ok=True)
    from_cityscapes = np.zeros(256, dtype=np.uint8)
    from_cityscapes[: len(CITYSCAPES_TO_ADE20K)] = np.array(CITYSCAPES_TO_ADE20K) + 1
    from_cityscapes[UNLABELLED] = 0
    Image.fromarray(from_cityscapes[scene.class_map]).save(labels)
    Image.fromarray(scene.image).save(picture, quality=_JPEG_QUALITY)
    return picture


def _write_sa1b(out_dir: Path, index: int, scene: Scene) -> Path:
    """sa_N.jpg, and sa_N.json with every instance's exact mask."""
    image_id = index + 1
    out_dir.mkdir(parents=True, exist_ok=True)
    picture = out_dir / f"sa_{image_id}.jpg"
    height, width = scene.class_map.shape
    record = {
        "image": {
            "image_id": image_id,
            "width": width,
            "height": height,
            "file_name": picture.name,
        },
        "annotations": [_sa1b_annotation(scene, instance) for instance in scene.instances],
    }
    picture.with_suffix(".json").write_text(json.dumps(record))
    Image.fromarray(scene.image).save(picture, quality=_JPEG_QUALITY)
    return picture


def _sa1b_annotation(scene: Scene, instance: Instance) -> dict[str, Any]:
    mask = scene.mask(instance.id)
    height, width = mask.shape
    rle = coco_mask.encode(np.asfortranarray(mask, dtype=np.uint8))
    ys, xs = np.nonzero(mask)
    middle = len(ys) // 2
    return {
        "id": instance.id + 1,
        "segmentation": {"size": [height, width], "counts": rle["counts"].decode("ascii")},
        "bbox": list(instance.bbox_xywh),
        "area": instance.area,
        # The truth is as certain as can be.
        "predicted_iou": 1.0,
        "stability_score": 1.0,
        "point_coords": [[float(xs[middle]) + 0.5, float(ys[middle]) + 0.5]],
        "crop_box": [0, 0, width, height],
    }


LAYOUTS: dict[str, Writer] = {
    "cityscapes": _write_cityscapes,
    "ade20k": _write_ade20k,
    "sa1b": _write_sa1b,
}
