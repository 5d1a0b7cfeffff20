"""First step of the engine over given masks: checks them, and pixels for both segmenters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ssa_backend import specs
from ssa_backend.engine.pixels import segmenters_pixel_values
from ssa_backend.engine.requests import boxes_xywh, read_classes, read_masks
from ssa_backend.images import decode_image
from ssa_backend.settings import ImageSettings, SegmenterSettings, refuse_parameters
from ssa_backend.triton import Arrays, Step


class TritonPythonModel(Step):
    """See `ssa_backend.images` and `ssa_backend.engine.requests`."""

    spec = specs.ENGINE_MASKS_PREPROCESS

    def setup(self) -> None:
        """Read the limits of images and the segmenters' input sizes."""
        self.images = self.settings("images", ImageSettings)
        self.coco = self.settings("coco", SegmenterSettings)
        self.ade20k = self.settings("ade20k", SegmenterSettings)

    def run(self, inputs: Arrays, parameters: Mapping[str, Any]) -> Arrays:
        """Decode and prepare; what is wrong with a request is found here, before networks run."""
        refuse_parameters(parameters)
        if specs.CLASSES.name in inputs:
            read_classes(inputs[specs.CLASSES.name].tolist())
        rgb = decode_image(inputs[specs.IMAGE.name][0], self.images)
        height, width = rgb.shape[:2]
        masks = read_masks(inputs[specs.MASKS.name].tolist(), (height, width))
        coco_pixels, ade20k_pixels = segmenters_pixel_values(rgb, (self.coco, self.ade20k))
        return {
            specs.RGB.name: rgb,
            specs.COCO_PIXELS.name: coco_pixels,
            specs.ADE20K_PIXELS.name: ade20k_pixels,
            specs.SEGMENTATION.name: inputs[specs.MASKS.name],
            specs.SIZE.name: np.array([height, width]),
            specs.BBOX.name: boxes_xywh(masks, height),
            specs.AREA.name: np.array([mask.area for mask in masks]),
        }
