"""The networks to export: what is traced, what it must equal, and inputs to compare them on.

A wrapper owns the tricks that tracing needs; the checkpoint's own model stays as it is and is
what the exported file is compared with.
"""

from ssa_export.networks.blip import blip_text_decoder, blip_vision_encoder
from ssa_export.networks.clip import clip_image_encoder, clip_text_encoder
from ssa_export.networks.clipseg import (
    clipseg_decoder,
    clipseg_text_encoder,
    clipseg_vision_encoder,
)
from ssa_export.networks.network import Array, Draw, Lengths, Network
from ssa_export.networks.sam import image_encoder, mask_decoder
from ssa_export.networks.segmenter import semantic_segmenter

__all__ = [
    "Array",
    "Draw",
    "Lengths",
    "Network",
    "blip_text_decoder",
    "blip_vision_encoder",
    "clip_image_encoder",
    "clip_text_encoder",
    "clipseg_decoder",
    "clipseg_text_encoder",
    "clipseg_vision_encoder",
    "image_encoder",
    "mask_decoder",
    "semantic_segmenter",
]
