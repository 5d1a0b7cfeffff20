"""The engine's two closed-set voters: any semantic segmenter folder of transformers, as a map."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch.nn.functional import interpolate
from transformers import (
    AutoConfig,
    AutoModelForSemanticSegmentation,
    AutoTokenizer,
    OneFormerForUniversalSegmentation,
    OneFormerImageProcessorPil,
    OneFormerProcessor,
    SegformerImageProcessorPil,
)


class SegmenterReference:
    """Class ids of an image's pixels.

    `names[i]` is class `i` as the checkpoint spells it. Logits grow to the image's size as in the
    original: corners aligned for Segformer, not for anything else.
    """

    def __init__(self, folder: Path) -> None:
        config = AutoConfig.from_pretrained(folder)
        self.names = [config.id2label[i] for i in range(len(config.id2label))]
        self._is_oneformer = config.model_type == "oneformer"
        self._align_corners = config.model_type == "segformer"
        self._model: Any
        self._processor: Any
        if self._is_oneformer:
            self._model = _loaded(OneFormerForUniversalSegmentation, folder)
            self._processor = OneFormerProcessor(
                OneFormerImageProcessorPil.from_pretrained(folder),
                AutoTokenizer.from_pretrained(folder),
                task_seq_length=config.task_seq_len,
            )
        else:
            self._model = _loaded(AutoModelForSemanticSegmentation, folder)
            self._processor = SegformerImageProcessorPil.from_pretrained(folder)

    def class_map(self, rgb: npt.NDArray[np.uint8]) -> npt.NDArray[np.int64]:
        """The class of every pixel, [H, W], of an image [H, W, 3]."""
        size_hw = rgb.shape[:2]
        with torch.inference_mode():
            if self._is_oneformer:
                inputs = self._processor(rgb, task_inputs=["semantic"], return_tensors="pt")
                post_process = self._processor.image_processor.post_process_semantic_segmentation
                found = post_process(self._model(**inputs), target_sizes=[size_hw])[0]
            else:
                inputs = self._processor(images=rgb, return_tensors="pt")
                logits = interpolate(
                    self._model(**inputs).logits,
                    size=size_hw,
                    mode="bilinear",
                    align_corners=self._align_corners,
                )
                found = logits.argmax(dim=1)[0]
        classes: npt.NDArray[np.int64] = found.numpy()
        return classes


def _loaded(kind: Any, folder: Path) -> Any:
    return kind.from_pretrained(folder, dtype=torch.float32).eval()
