"""The four torchvision functions that segment-anything imports, for machines without torchvision.

Written plainly over torch, and apart from the project's own code, so that comparing with
segment-anything stays a comparison of two implementations.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from types import ModuleType
from typing import Any

import torch
from PIL import Image


def box_area(boxes: torch.Tensor) -> torch.Tensor:
    """Areas of [N, 4] boxes (x0, y0, x1, y1)."""
    return (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])


def box_iou(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """IoU of each box of `a` [N, 4] with each of `b` [M, 4]."""
    low = torch.maximum(a[:, None, :2], b[None, :, :2])
    high = torch.minimum(a[:, None, 2:], b[None, :, 2:])
    size = (high - low).clamp(min=0)
    overlap = size[..., 0] * size[..., 1]
    return overlap / (box_area(a)[:, None] + box_area(b)[None] - overlap)


def batched_nms(
    boxes: torch.Tensor, scores: torch.Tensor, idxs: torch.Tensor, iou_threshold: float
) -> torch.Tensor:
    """Greedy suppression within each of the groups that `idxs` names."""
    order = scores.sort(stable=True, descending=True).indices
    suppressed = torch.zeros(len(boxes), dtype=torch.bool)
    kept = []
    for position, index in enumerate(order):
        if suppressed[index]:
            continue
        kept.append(index)
        rest = order[position + 1 :]
        overlapping = box_iou(boxes[index][None], boxes[rest])[0] > iou_threshold
        suppressed[rest[overlapping & (idxs[rest] == idxs[index])]] = True
    return torch.stack(kept) if kept else torch.zeros(0, dtype=torch.long)


def to_pil_image(array: Any) -> Image.Image:
    """A PIL image from [H, W, 3] uint8."""
    return Image.fromarray(array)


def resize(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    """Bilinear, antialiased, to (height, width)."""
    return image.resize((size[1], size[0]), Image.Resampling.BILINEAR)


def install() -> None:
    """Make `import segment_anything` work, by importing it while these are torchvision.

    They are taken away again: transformers and datasets ask whether torchvision is there.
    """
    if "segment_anything" in sys.modules or importlib.util.find_spec("torchvision"):
        return
    contents: dict[str, dict[str, Any]] = {
        "torchvision": {},
        "torchvision.ops": {},
        "torchvision.ops.boxes": {"batched_nms": batched_nms, "box_area": box_area},
        "torchvision.transforms": {},
        "torchvision.transforms.functional": {"resize": resize, "to_pil_image": to_pil_image},
    }
    for name, functions in contents.items():
        module = ModuleType(name)
        module.__dict__.update(functions)
        sys.modules[name] = module
    try:
        importlib.import_module("segment_anything")
    finally:
        for name in contents:
            del sys.modules[name]
