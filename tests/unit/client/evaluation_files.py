"""Files that tests of the evaluation read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image
from pycocotools import mask as coco_mask

from ssa_client.evaluation.layouts import Sample


def save(path: Path, array: npt.ArrayLike, dtype: type = np.uint8) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.asarray(array, dtype)).save(path)
    return path


def sample_of(label: Path) -> Sample:
    return Sample(label.with_suffix(".jpg"), label, label.name)


def stored(class_map: npt.NDArray[np.uint8], names: dict[str, str] | None = None) -> dict[str, Any]:
    """What of `<name>_semantic.json` is evaluated."""
    rles = {}
    for class_id in np.unique(class_map):
        rle = coco_mask.encode(np.asfortranarray(class_map == class_id, dtype=np.uint8))
        rles[str(class_id)] = {"size": rle["size"], "counts": rle["counts"].decode()}
    return {"semantic_mask": rles} | ({"semantic_names": names} if names else {})
