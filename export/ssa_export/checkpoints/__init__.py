"""Sources of weights: where they come from, and what they hold once loaded."""

from ssa_export.checkpoints.sam import LoadedSam, load_sam
from ssa_export.checkpoints.segmenter import LoadedSegmenter, load_segmenter

__all__ = ["LoadedSam", "LoadedSegmenter", "load_sam", "load_segmenter"]
