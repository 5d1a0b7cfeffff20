"""Sources of weights: where they come from, and what they hold once loaded."""

from ssa_export.checkpoints.blip import LoadedBlip, load_blip
from ssa_export.checkpoints.clip import LoadedClip, load_clip
from ssa_export.checkpoints.clipseg import LoadedClipSeg, load_clipseg
from ssa_export.checkpoints.sam import LoadedSam, load_sam
from ssa_export.checkpoints.segmenter import LoadedSegmenter, load_segmenter

__all__ = [
    "LoadedBlip",
    "LoadedClip",
    "LoadedClipSeg",
    "LoadedSam",
    "LoadedSegmenter",
    "load_blip",
    "load_clip",
    "load_clipseg",
    "load_sam",
    "load_segmenter",
]
