"""A finished job of the engine, with names and captions that a page must not take for markup."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from ssa_client import LabelledMask, LabelResult, write_annotation
from ssa_client.conversions import encode_mask
from ssa_client.jobs.failures import FailureLog
from ssa_client.jobs.local_storage import LocalStorage
from ssa_client.jobs.manifest import Manifest
from ssa_client.writers import json_path

NAMES = (
    *("a car", "дорога", "天空", "سيارة", "<script>document.title='taken'</script>"),
    *('"quoted" & <b>bold</b>', "{{ braces }}"),
)
CAPTION = "<img src=x onerror=\"document.title='taken'\"> caption </script> of {}"
SHA256 = "0123456789abcdef" * 4
HEIGHT, WIDTH = 90, 140


@dataclass
class ReviewJob:
    """Where a job lies, and its JSONs."""

    folder: Path
    images: Path

    def documents(self) -> dict[str, dict[str, Any]]:
        """The content of its files by file name."""
        files = sorted(self.folder.glob("*_semantic.json"))
        return {file.name: json.loads(file.read_bytes()) for file in files}

    def annotations(self) -> list[dict[str, Any]]:
        """Of all of its files."""
        return [a for document in self.documents().values() for a in document["annotations"]]


def review_job(root: Path, images: int = 5, masks: int = 7) -> ReviewJob:
    """A job of so many images, each with so many masks of confidences that all differ."""
    job = ReviewJob(root / "job", root / "images")
    job.images.mkdir(parents=True)
    job.folder.mkdir()
    random = np.random.default_rng(images)
    # A third: none lies on the edge of a histogram's bar.
    confidences = iter((random.permutation(images * masks) + 1 / 3) / (images * masks))
    for number in range(images):
        file_name = f"im<a>ge & {number}.png"
        pixels = random.integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(job.images / file_name)
        found = [_mask(random, k + number, next(confidences)) for k in range(masks)]
        found.sort(key=lambda mask: -mask.area)
        annotation = LabelResult((HEIGHT, WIDTH), tuple(found)).to_annotation(file_name)
        write_annotation(json_path(job.folder, Path(file_name).stem), annotation)
    request = {
        "images": str(job.images),
        "model": "ssa_engine",
        "settings": {"box_nms_thresh": "0.5"},
    }
    Manifest(
        request={**request, "classes": None, "masks": None},
        models={"clip_text": {"backend": "onnxruntime", "versions": ["1"]}},
        settings={"clip": {"sha256": SHA256}, "masks": {"points_per_side": 32}},
        made_with={"triton": "<2.51>"},
    ).write(LocalStorage(job.folder))
    FailureLog(LocalStorage(job.folder)).add("<gone>.png", "IMAGE is <b>damaged</b>.")
    return job


def _mask(random: np.random.Generator, k: int, confidence: float) -> LabelledMask:
    """A rectangle; with one proposal its confidence is CLIPSeg's share."""
    width, height = random.integers(4, 60, 2)
    x, y = random.integers(0, WIDTH - width), random.integers(0, HEIGHT - height)
    pixels = np.zeros((HEIGHT, WIDTH), np.bool_)
    pixels[y : y + height, x : x + width] = True
    name = NAMES[k % len(NAMES)]
    return LabelledMask(
        segmentation=encode_mask(pixels),
        bbox_xywh=(int(x), int(y), int(width) - 1, int(height) - 1),
        area=int(pixels.sum()),
        class_name=name,
        class_proposals=(name,),
        clip_scores=(0.5,),
        clipseg_shares=(float(confidence),),
        caption=CAPTION.format(name),
        coco_name="car",
        coco_share=0.125,
        ade20k_name="van",
        ade20k_share=0.25,
        predicted_iou=0.875,
    )
