"""The mask branch: an image and its embedding to masks, calling SAM's networks as needed."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from ssa_backend import specs
from ssa_backend.cuda.device import to_numpy
from ssa_backend.masks.generation import FloatArray, MaskGenerator
from ssa_backend.settings import MaskSettings, SamSettings
from ssa_backend.triton import Arrays, Step, call_model

# More bring nothing: the decoder is what takes the time.
MAX_THREADS = 8


class TritonPythonModel(Step):
    """See `ssa_backend.masks.generation`."""

    spec = specs.MASK_GENERATION

    def setup(self) -> None:
        """Read the preset's settings and hand the networks to the generator."""
        self.defaults = self.settings("masks", MaskSettings)
        sam = self.settings("sam", SamSettings)
        threads = min(os.cpu_count() or 1, MAX_THREADS)
        self.generator = MaskGenerator(sam, encode, decode, threads)

    def run(self, inputs: Arrays, parameters: Mapping[str, Any]) -> Arrays:
        """Generate the masks of one image."""
        rgb = to_numpy(inputs[specs.RGB.name])
        embedding = inputs[specs.IMAGE_EMBEDDINGS.name]
        masks = self.generator.generate(rgb, embedding, self.defaults.updated(parameters))
        return {
            specs.SEGMENTATION.name: np.array(masks.segmentation, object),
            specs.SIZE.name: np.array(rgb.shape[:2]),
            specs.BBOX.name: masks.bbox_xywh,
            specs.AREA.name: masks.area,
            specs.PREDICTED_IOU.name: masks.predicted_iou,
            specs.STABILITY_SCORE.name: masks.stability_score,
            specs.PROMPT_COORDS.name: masks.points,
            specs.CROP_BOX.name: masks.crop_xywh,
        }


def encode(pixels: FloatArray) -> FloatArray:
    """Run SAM's image encoder; [N, 3, S, S] to [N, C, G, G]."""
    outputs = call_model(
        specs.SAM_IMAGE_ENCODER, {specs.PIXEL_VALUES.name: pixels}, stay_on_gpu=True
    )
    return outputs[specs.IMAGE_EMBEDDINGS.name]


def decode(
    embedding: FloatArray, points: FloatArray, labels: npt.NDArray[np.int64], min_iou: float
) -> tuple[FloatArray, FloatArray]:
    """Run SAM's mask decoder; see `ssa_backend.masks.generation.Decode`."""
    inputs: Arrays = {
        specs.IMAGE_EMBEDDINGS.name: embedding,
        specs.POINT_COORDS.name: points,
        specs.POINT_LABELS.name: labels,
        specs.MIN_IOU.name: np.array([min_iou], np.float32),
    }
    outputs = call_model(specs.SAM_MASK_DECODER, inputs, stay_on_gpu=True)
    return outputs[specs.LOW_RES_MASKS.name], to_numpy(outputs[specs.IOU_PREDICTIONS.name])
