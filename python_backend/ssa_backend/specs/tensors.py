"""The axes that checkpoints fix, and the tensors of the wire and between models."""

from __future__ import annotations

from ssa_backend.specs.declarations import Tensor

CHECKPOINT_AXES = (
    "sam_size",  # side of the square that SAM's image encoder reads, pixels
    "embed_dim",  # channels of an image embedding
    "embed_size",  # side of an image embedding
    "mask_size",  # side of a low-resolution mask
    "segmenter_height",  # input of the closed set's segmenter, pixels
    "segmenter_width",
    "segmenter_logits_height",  # its output
    "segmenter_logits_width",
    "segmenter_classes",
    "coco_height",  # the engine's COCO segmenter, likewise
    "coco_width",
    "coco_logits_height",
    "coco_logits_width",
    "coco_classes",
    "ade20k_height",  # and its ADE20K segmenter
    "ade20k_width",
    "ade20k_logits_height",
    "ade20k_logits_width",
    "ade20k_classes",
    "blip_size",  # side of the square that BLIP reads, pixels
    "blip_patches",  # length of its image embedding, the class token included
    "blip_width",
    "clip_size",
    "clip_dim",  # of the space that images and texts share
    "clipseg_size",  # side of the square that CLIPSeg reads and writes
    "clipseg_layers",  # activations that its decoder starts from
    "clipseg_patches",  # their length, the class token included
    "clipseg_reduced",  # their width
    "clipseg_dim",
)

IMAGE = Tensor("IMAGE", "BYTES", (1,), "one encoded image: JPEG, PNG, WebP, BMP or TIFF")
MASKS = Tensor("MASKS", "BYTES", ("masks",), "COCO compressed RLE counts, each of the image's size")
CLASSES = Tensor(
    "CLASSES", "BYTES", ("vocabulary",), "UTF-8 names to choose among instead", optional=True
)

RGB = Tensor("rgb", "UINT8", ("height", "width", 3), "the decoded image")
PIXEL_VALUES = Tensor("pixel_values", "FP32", (3, "sam_size", "sam_size"))
IMAGE_EMBEDDINGS = Tensor("image_embeddings", "FP32", ("embed_dim", "embed_size", "embed_size"))
POINT_COORDS = Tensor("point_coords", "FP32", ("prompts", "points", 2), "x, y in encoder pixels")
POINT_LABELS = Tensor("point_labels", "INT64", ("prompts", "points"), "1 on the object, 0 off it")
MIN_IOU = Tensor("min_iou", "FP32", (1,), "masks whose predicted IoU is not above it are not drawn")
LOW_RES_MASKS = Tensor(
    "low_res_masks", "FP32", ("masks", "mask_size", "mask_size"), "logits, prompt by prompt"
)
IOU_PREDICTIONS = Tensor("iou_predictions", "FP32", ("prompts", 3))
TOKEN_IDS = Tensor("input_ids", "INT64", ("tokens",), "padded behind the end token")

SEGMENTATION = Tensor("segmentation", "BYTES", ("masks",), "COCO compressed RLE counts")
SIZE = Tensor("size", "INT32", (2,), "height and width of the image")
BBOX = Tensor("bbox", "INT32", ("masks", 4), "x, y, width, height, as segment-anything gives it")
AREA = Tensor("area", "INT32", ("masks",), "pixels")
PREDICTED_IOU = Tensor("predicted_iou", "FP32", ("masks",), "SAM's own estimate")
STABILITY_SCORE = Tensor("stability_score", "FP32", ("masks",))
PROMPT_COORDS = Tensor("point_coords", "FP32", ("masks", 2), "x, y of the prompt")
CROP_BOX = Tensor("crop_box", "INT32", ("masks", 4), "x, y, width, height of the crop")
MASK_OUTPUTS = (
    SEGMENTATION,
    SIZE,
    BBOX,
    AREA,
    PREDICTED_IOU,
    STABILITY_SCORE,
    PROMPT_COORDS,
    CROP_BOX,
)

CLASS_ID = Tensor("class_id", "INT32", ("masks",))
CLASS_NAME = Tensor("class_name", "BYTES", ("masks",))
CLASS_PROPOSALS = Tensor(
    "class_proposals", "BYTES", ("masks", "proposals"), "best first, padded with empty names"
)
VOTE_SHARE = Tensor("vote_share", "FP32", ("masks",), "share of the mask that voted for class_id")
SEMANTIC_MAP = Tensor(
    "semantic_map", "UINT16", ("height", "width"), "class ids, masks painted over the branch"
)
BRANCH_MAP = Tensor("branch_map", "UINT16", ("height", "width"), "class ids of the segmenter alone")
LABELS = Tensor("labels", "BYTES", ("segmenter_classes",), "the name of every class id of the maps")
LABEL_OUTPUTS = (
    CLASS_ID,
    CLASS_NAME,
    CLASS_PROPOSALS,
    VOTE_SHARE,
    SEMANTIC_MAP,
    BRANCH_MAP,
    LABELS,
)

CAPTION = Tensor("caption", "BYTES", ("masks",), "BLIP's; empty where CLASSES were given")
NOUN_PHRASES = Tensor(
    "noun_phrases", "BYTES", ("masks", "phrases"), "of the caption, padded with empty ones"
)
CLIP_SCORE = Tensor(
    "clip_score", "FP32", ("masks", "proposals"), "softmax over all candidates, of each proposal"
)
CLIPSEG_SHARE = Tensor(
    "clipseg_share", "FP32", ("masks", "proposals"), "share of the mask that each proposal won"
)
COCO_NAME = Tensor("coco_name", "BYTES", ("masks",), "most votes of the COCO segmenter")
COCO_SHARE = Tensor("coco_share", "FP32", ("masks",), "share of the mask that voted for it")
ADE20K_NAME = Tensor("ade20k_name", "BYTES", ("masks",), "most votes of the ADE20K segmenter")
ADE20K_SHARE = Tensor("ade20k_share", "FP32", ("masks",), "share of the mask that voted for it")
VOTE_OUTPUTS = (COCO_NAME, COCO_SHARE, ADE20K_NAME, ADE20K_SHARE)
DECISION_OUTPUTS = (CLASS_NAME, CLASS_PROPOSALS, CLIP_SCORE, CLIPSEG_SHARE)
