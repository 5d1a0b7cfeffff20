"""The original's closed-set labelling, mask by mask, over transformers' own classes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from pycocotools import mask as coco_mask
from torch.nn.functional import interpolate
from transformers import SegformerForSemanticSegmentation, SegformerImageProcessorPil


class ClosedSetReference:
    """A Segformer folder, and the vote of its pixels inside masks."""

    def __init__(self, folder: Path) -> None:
        self._model = SegformerForSemanticSegmentation.from_pretrained(folder).eval()
        self._processor = SegformerImageProcessorPil.from_pretrained(folder)

    def branch_map(self, rgb: npt.NDArray[np.uint8]) -> npt.NDArray[np.int64]:
        """The class of every pixel, [H, W]."""
        return self.grown(self.logits(self.pixels(rgb)), rgb.shape[:2])

    def pixels(self, rgb: npt.NDArray[np.uint8]) -> torch.Tensor:
        """The network's input."""
        pixels: torch.Tensor = self._processor(images=rgb, return_tensors="pt").pixel_values
        return pixels

    @torch.inference_mode()
    def logits(self, pixels: torch.Tensor) -> torch.Tensor:
        """The network's output, [1, K, h, w]."""
        logits: torch.Tensor = self._model(pixels).logits
        return logits

    @torch.inference_mode()
    def grown(self, logits: torch.Tensor, size_hw: Sequence[int]) -> npt.NDArray[np.int64]:
        """The class of every pixel, [H, W]."""
        logits = interpolate(logits, size=tuple(size_hw), mode="bilinear", align_corners=True)
        classes: npt.NDArray[np.int64] = logits.argmax(dim=1)[0].numpy()
        return classes

    def class_names(
        self, branch_map: npt.NDArray[np.int64], segmentations: Sequence[dict[str, Any]]
    ) -> list[str]:
        """The name of each COCO RLE mask: its most frequent class, the lowest id among equals."""
        names = []
        for segmentation in segmentations:
            inside = coco_mask.decode(segmentation).astype(bool)
            most_frequent = int(np.bincount(branch_map[inside]).argmax())
            names.append(self._model.config.id2label[most_frequent])
        return names
