"""First step of the engine: an encoded image to pixels for SAM and for both segmenters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ssa_backend import specs
from ssa_backend.engine.pixels import segmenters_pixel_values
from ssa_backend.engine.requests import read_classes
from ssa_backend.images import decode_image, sam_pixel_values
from ssa_backend.settings import ImageSettings, MaskSettings, SamSettings, SegmenterSettings
from ssa_backend.triton import Arrays, Step


class TritonPythonModel(Step):
    """See `ssa_backend.images` and `ssa_backend.engine.requests`."""

    spec = specs.ENGINE_PREPROCESS

    def setup(self) -> None:
        """Read the limits of images and the networks' input sizes."""
        self.images = self.settings("images", ImageSettings)
        self.sam = self.settings("sam", SamSettings)
        self.coco = self.settings("coco", SegmenterSettings)
        self.ade20k = self.settings("ade20k", SegmenterSettings)
        self.masks = self.settings("masks", MaskSettings)

    def run(self, inputs: Arrays, parameters: Mapping[str, Any]) -> Arrays:
        """Decode and prepare; what is wrong with a request is found here, before networks run."""
        self.masks.updated(parameters)
        if specs.CLASSES.name in inputs:
            read_classes(inputs[specs.CLASSES.name].tolist())
        rgb = decode_image(inputs[specs.IMAGE.name][0], self.images, self.sam)
        coco_pixels, ade20k_pixels = segmenters_pixel_values(rgb, (self.coco, self.ade20k))
        return {
            specs.RGB.name: rgb,
            specs.SAM_PIXELS.name: sam_pixel_values(rgb, self.sam),
            specs.COCO_PIXELS.name: coco_pixels,
            specs.ADE20K_PIXELS.name: ade20k_pixels,
        }
