"""Last step of the closed set: every mask gets the class that most of its pixels vote for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ssa_backend import rle, specs
from ssa_backend.settings import SegmenterSettings
from ssa_backend.triton import Arrays, Step
from ssa_backend.voting import label_masks


class TritonPythonModel(Step):
    """See `ssa_backend.voting`."""

    spec = specs.SEMANTIC_VOTING

    def setup(self) -> None:
        """Read the segmenter's labels; the entry behind the last is the name of "no class"."""
        self.segmenter = self.settings("segmenter", SegmenterSettings)
        self.names = np.array([*(name.encode() for name in self.segmenter.labels), b""], object)

    def run(self, inputs: Arrays, parameters: Mapping[str, Any]) -> Arrays:
        """Label the masks of one image."""
        height, width = inputs[specs.SIZE.name].tolist()
        size_hw = (height, width)
        labels = label_masks(
            inputs[specs.SEGMENTER_LOGITS.name][0],
            [rle.decode(counts, size_hw) for counts in inputs[specs.SEGMENTATION.name]],
            size_hw,
            self.segmenter.align_corners,
        )
        return {
            specs.CLASS_ID.name: labels.class_ids,
            specs.CLASS_NAME.name: self.names[labels.class_ids],
            specs.CLASS_PROPOSALS.name: self.names[labels.proposals],
            specs.VOTE_SHARE.name: labels.vote_shares,
            specs.SEMANTIC_MAP.name: labels.semantic_map,
            specs.BRANCH_MAP.name: labels.branch_map,
            specs.LABELS.name: self.names[:-1],
        }
