"""The closed sets' say in the engine: what most pixels of every mask are to both segmenters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ssa_backend import rle, specs
from ssa_backend.engine.decision import closed_set_votes
from ssa_backend.settings import SegmenterSettings
from ssa_backend.triton import Arrays, Step, texts


class TritonPythonModel(Step):
    """See `ssa_backend.engine.decision.closed_set_votes`."""

    spec = specs.ENGINE_VOTING

    def setup(self) -> None:
        """Read both segmenters' labels."""
        self.coco = self.settings("coco", SegmenterSettings)
        self.ade20k = self.settings("ade20k", SegmenterSettings)

    def run(self, inputs: Arrays, parameters: Mapping[str, Any]) -> Arrays:
        """Vote in the masks of one image."""
        height, width = inputs[specs.SIZE.name].tolist()
        size_hw = (height, width)
        masks = rle.EncodedMasks(inputs[specs.SEGMENTATION.name].tolist(), size_hw)
        coco = closed_set_votes(inputs[specs.COCO_LOGITS.name][0], masks, size_hw, self.coco)
        ade20k = closed_set_votes(inputs[specs.ADE20K_LOGITS.name][0], masks, size_hw, self.ade20k)
        return {
            specs.COCO_NAME.name: texts(coco.names),
            specs.COCO_SHARE.name: coco.shares,
            specs.ADE20K_NAME.name: texts(ade20k.names),
            specs.ADE20K_SHARE.name: ade20k.shares,
        }
