"""First step: an encoded image to pixels for SAM and for the semantic segmenter."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ssa_backend import specs
from ssa_backend.images import decode_image, sam_pixel_values, segmenter_pixel_values
from ssa_backend.settings import ImageSettings, MaskSettings, SamSettings, SegmenterSettings
from ssa_backend.triton import Arrays, Step


class TritonPythonModel(Step):
    """See `ssa_backend.images`."""

    spec = specs.PREPROCESS

    def setup(self) -> None:
        """Read the limits of images and the networks' input sizes."""
        self.images = self.settings("images", ImageSettings)
        self.sam = self.settings("sam", SamSettings)
        self.segmenter = self.settings("segmenter", SegmenterSettings)
        self.masks = self.settings("masks", MaskSettings)

    def run(self, inputs: Arrays, parameters: Mapping[str, Any]) -> Arrays:
        """Decode and prepare; a wrong parameter is found here, before any network runs."""
        self.masks.updated(parameters)
        rgb = decode_image(inputs[specs.IMAGE.name][0], self.images, self.sam)
        return {
            specs.RGB.name: rgb,
            specs.SAM_PIXELS.name: sam_pixel_values(rgb, self.sam),
            specs.SEGMENTER_PIXELS.name: segmenter_pixel_values(rgb, self.segmenter),
        }
