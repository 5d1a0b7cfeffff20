"""A server in a process of its own that can be killed: it names each image by its content.

    python -m tests.integration.job_server PORT LOG

Each request leaves a line in LOG as it arrives, with the hash that its answer has for a name.
"""

from __future__ import annotations

import hashlib
import os
import random
import sys
import time
from typing import Any

import numpy as np
from tritonclient.utils import deserialize_bytes_tensor

from ssa_backend import specs
from tests.unit.client.fake_triton import FakeTriton, Tensors, serving, texts

SIDE = 16
_LONGEST_S = 0.04


def name_of(image: bytes) -> str:
    """What the server calls the one segment of an image."""
    return hashlib.sha256(image).hexdigest()[:16]


class NamingTriton(FakeTriton):
    def __init__(self, log: int) -> None:
        super().__init__({})
        self._log = log

    def _answer(self, request: Any, ensemble: specs.Ensemble) -> Any:
        name = name_of(deserialize_bytes_tensor(request.raw_input_contents[0])[0])
        os.write(self._log, f"{name}\n".encode())
        time.sleep(random.uniform(0, _LONGEST_S))
        self.requests.clear()
        answer = FakeTriton(_tensors(name))
        return answer._answer(request, ensemble)


def _tensors(name: str) -> Tensors:
    """One mask, the left half."""
    return {
        "segmentation": texts("0P4P4"),
        "size": np.array([SIDE, SIDE], np.int32),
        "bbox": np.array([[0, 0, SIDE // 2 - 1, SIDE - 1]], np.int32),
        "area": np.array([SIDE * SIDE // 2], np.int32),
        "predicted_iou": np.array([0.75], np.float32),
        "stability_score": np.array([0.5], np.float32),
        "point_coords": np.array([[4, 8]], np.float32),
        "crop_box": np.array([[0, 0, SIDE, SIDE]], np.int32),
        "class_name": texts(name),
        "class_proposals": texts(name, "", "")[None],
        "clip_score": np.array([[1, 0, 0]], np.float32),
        "clipseg_share": np.array([[1, 0, 0]], np.float32),
        "caption": texts(f"a picture of {name}"),
        "coco_name": texts("sky"),
        "coco_share": np.array([1], np.float32),
        "ade20k_name": texts("sky"),
        "ade20k_share": np.array([1], np.float32),
    }


if __name__ == "__main__":
    port, log = sys.argv[1:]
    with serving(NamingTriton(os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)), int(port)):
        time.sleep(3600)
