"""The exported networks."""

from __future__ import annotations

from ssa_backend.specs.declarations import Model, Tensor
from ssa_backend.specs.tensors import (
    IMAGE_EMBEDDINGS,
    IOU_PREDICTIONS,
    LOW_RES_MASKS,
    MIN_IOU,
    PIXEL_VALUES,
    POINT_COORDS,
    POINT_LABELS,
    TOKEN_IDS,
)

SAM_IMAGE_ENCODER = Model(
    "sam_image_encoder",
    "onnxruntime",
    inputs=(PIXEL_VALUES,),
    outputs=(IMAGE_EMBEDDINGS,),
    max_batch_size=4,
    atol=1e-3,
)

# All prompts of a call share one image, so the embedding has a batch axis of its own length.
SAM_MASK_DECODER = Model(
    "sam_mask_decoder",
    "onnxruntime",
    inputs=(
        Tensor("image_embeddings", "FP32", (1, *IMAGE_EMBEDDINGS.shape)),
        POINT_COORDS,
        POINT_LABELS,
        MIN_IOU,
    ),
    outputs=(LOW_RES_MASKS, IOU_PREDICTIONS),
    atol=1e-3,
    # Mask generation has two batches of prompts on their way. Two runs on half of the cores each
    # are faster than one after the other on all: most operators are too small to share out well.
    instances=2,
)


def _segmenter(name: str, part: str) -> Model:
    """A semantic segmenter whose sizes and labels are the part `part` of the settings."""
    return Model(
        name,
        "onnxruntime",
        inputs=(
            Tensor(
                "pixel_values", "FP32", (3, f"{part}_height", f"{part}_width"), "RGB, normalised"
            ),
        ),
        outputs=(
            Tensor(
                "logits",
                "FP32",
                (f"{part}_classes", f"{part}_logits_height", f"{part}_logits_width"),
            ),
        ),
        max_batch_size=4,
        atol=1e-3,
    )


SEMANTIC_SEGMENTER = _segmenter("semantic_segmenter", "segmenter")
COCO_SEGMENTER = _segmenter("coco_segmenter", "coco")
ADE20K_SEGMENTER = _segmenter("ade20k_segmenter", "ade20k")

# Crops of one batch. Two batches are on their way at a time: with so few in each, 20 masks take as
# much memory as 400.
_CROPS = 10

BLIP_VISION_ENCODER = Model(
    "blip_vision_encoder",
    "onnxruntime",
    inputs=(Tensor("pixel_values", "FP32", (3, "blip_size", "blip_size")),),
    outputs=(Tensor("image_embeds", "FP32", ("blip_patches", "blip_width")),),
    max_batch_size=_CROPS,
    atol=1e-3,
)

# The whole greedy decoding is one call: its key-value cache never leaves the network, and what
# cross-attention needs of an image is computed once. That cache grows inside a loop, which TensorRT
# does not allow.
BLIP_TEXT_DECODER = Model(
    "blip_text_decoder",
    "onnxruntime",
    inputs=BLIP_VISION_ENCODER.outputs,
    outputs=(Tensor("token_ids", "INT64", ("caption_tokens",), "without the first, the start"),),
    max_batch_size=_CROPS,
    tensorrt=False,
)

CLIP_IMAGE_ENCODER = Model(
    "clip_image_encoder",
    "onnxruntime",
    inputs=(Tensor("pixel_values", "FP32", (3, "clip_size", "clip_size")),),
    outputs=(Tensor("image_embeds", "FP32", ("clip_dim",), "of length 1"),),
    max_batch_size=_CROPS,
    atol=1e-3,
)

CLIP_TEXT_ENCODER = Model(
    "clip_text_encoder",
    "onnxruntime",
    inputs=(TOKEN_IDS,),
    outputs=(Tensor("text_embeds", "FP32", ("clip_dim",), "of length 1"),),
    max_batch_size=64,
    atol=1e-3,
)

# CLIPSeg in three: what depends on the crop alone, on the name alone, and on both.
CLIPSEG_VISION_ENCODER = Model(
    "clipseg_vision_encoder",
    "onnxruntime",
    inputs=(Tensor("pixel_values", "FP32", (3, "clipseg_size", "clipseg_size")),),
    outputs=(
        Tensor("activations", "FP32", ("clipseg_layers", "clipseg_patches", "clipseg_reduced")),
    ),
    max_batch_size=_CROPS,
    atol=1e-3,
)

CLIPSEG_TEXT_ENCODER = Model(
    "clipseg_text_encoder",
    "onnxruntime",
    inputs=(TOKEN_IDS,),
    outputs=(Tensor("conditional_embeds", "FP32", ("clipseg_dim",)),),
    max_batch_size=64,
    atol=1e-3,
)

CLIPSEG_DECODER = Model(
    "clipseg_decoder",
    "onnxruntime",
    inputs=(
        *CLIPSEG_VISION_ENCODER.outputs,
        Tensor("conditional_embeds", "FP32", ("names", "clipseg_dim")),
    ),
    outputs=(Tensor("logits", "FP32", ("names", "clipseg_size", "clipseg_size")),),
    max_batch_size=_CROPS,
    atol=1e-3,
)
