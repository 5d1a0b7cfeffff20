"""Every model and tensor of the service, declared once.

From here come the `config.pbtxt` files, the exporters' input and output names, the Python steps'
tensor access and the client's requests. Only the standard library and numpy are imported, so that
everyone can import it.

Axis names are shared: the same name is the same length wherever it stands. An axis that the
checkpoints fix (`CHECKPOINT_AXES`) gets its number when a repository is written; every other named
axis varies from request to request and is -1 in `config.pbtxt`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

Axis = str | int

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


@dataclass(frozen=True)
class Tensor:
    """A named array: Triton's datatype and its axes, slowest first."""

    name: str
    datatype: Literal["BYTES", "UINT8", "UINT16", "INT32", "INT64", "FP32"]
    shape: tuple[Axis, ...]
    doc: str = ""
    # An input that a request may leave out.
    optional: bool = False

    @property
    def numpy_dtype(self) -> np.dtype[np.generic]:
        """The numpy dtype of the tensor's elements; `object` for BYTES."""
        kinds = {"BYTES": object, "FP32": np.float32}
        return np.dtype(kinds.get(self.datatype, self.datatype.lower()))

    def dims(self, axes: Mapping[str, int]) -> list[int]:
        """The shape with `axes` filled in and -1 for what varies."""
        return [a if isinstance(a, int) else axes.get(a, -1) for a in self.shape]


@dataclass(frozen=True)
class Model:
    """What Triton serves under one name.

    `max_batch_size` above 0 means that every tensor has one more axis in front, the batch, which
    Triton may fill from several requests. `atol` is the largest absolute difference from the
    PyTorch source that an export may show, relative to the largest absolute value of the output.
    """

    name: str
    backend: Literal["python", "onnxruntime"]
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    max_batch_size: int = 0
    atol: float = 0.0
    # Models that a Python step calls itself, through BLS.
    calls: tuple[Model, ...] = ()
    # The parts of `RepositorySettings` that a Python step reads, as parameters of its config.
    settings: tuple[str, ...] = ()
    # Files of its version folder that `ssa export` writes, beside `model.py`.
    files: tuple[str, ...] = ()
    # Whether a TensorRT plan can take the place of its ONNX file.
    tensorrt: bool = True

    def batched_shape(self, tensor: Tensor) -> tuple[Axis, ...]:
        """The axes as they stand in an array, the batch included."""
        return ("batch", *tensor.shape) if self.max_batch_size else tensor.shape


@dataclass(frozen=True)
class Step:
    """One model inside an ensemble; `inputs` and `outputs` map its tensors to ensemble tensors.

    A tensor that is not named in the map keeps its own name.
    """

    model: Model
    inputs: Mapping[str, str] = field(default_factory=dict)
    outputs: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Ensemble:
    """A fixed pipeline of models that Triton schedules."""

    name: str
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    steps: tuple[Step, ...]

    @property
    def models(self) -> tuple[Model, ...]:
        """Every model that the ensemble needs, those called through BLS included."""
        found: dict[str, Model] = {}
        for step in self.steps:
            for model in (step.model, *step.model.calls):
                found.setdefault(model.name, model)
        return tuple(found.values())

    @property
    def settings(self) -> frozenset[str]:
        """The parts of `RepositorySettings` without which it cannot be served."""
        return frozenset(part for model in self.models for part in model.settings)


# --- tensors ---------------------------------------------------------------------------------

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
LOW_RES_MASKS = Tensor("low_res_masks", "FP32", ("prompts", 3, "mask_size", "mask_size"), "logits")
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

# --- exported networks -----------------------------------------------------------------------

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
    ),
    outputs=(LOW_RES_MASKS, IOU_PREDICTIONS),
    atol=1e-3,
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

BLIP_VISION_ENCODER = Model(
    "blip_vision_encoder",
    "onnxruntime",
    inputs=(Tensor("pixel_values", "FP32", (3, "blip_size", "blip_size")),),
    outputs=(Tensor("image_embeds", "FP32", ("blip_patches", "blip_width")),),
    max_batch_size=16,
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
    max_batch_size=16,
    tensorrt=False,
)

CLIP_IMAGE_ENCODER = Model(
    "clip_image_encoder",
    "onnxruntime",
    inputs=(Tensor("pixel_values", "FP32", (3, "clip_size", "clip_size")),),
    outputs=(Tensor("image_embeds", "FP32", ("clip_dim",), "of length 1"),),
    max_batch_size=16,
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
    max_batch_size=16,
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
    max_batch_size=16,
    atol=1e-3,
)

# --- Python steps ----------------------------------------------------------------------------

# Between steps every tensor carries its batch axis: networks batch, steps see one image.
SAM_PIXELS = Tensor("sam_pixel_values", "FP32", (1, *PIXEL_VALUES.shape))
_EMBEDDINGS = Tensor("image_embeddings", "FP32", (1, *IMAGE_EMBEDDINGS.shape))


def _one_image(name: str, tensor: Tensor) -> Tensor:
    """`tensor` of a network as it stands between steps, under a name of its own."""
    return Tensor(name, tensor.datatype, (1, *tensor.shape), tensor.doc)


SEGMENTER_PIXELS = _one_image("segmenter_pixel_values", SEMANTIC_SEGMENTER.inputs[0])
SEGMENTER_LOGITS = _one_image("logits", SEMANTIC_SEGMENTER.outputs[0])
COCO_PIXELS = _one_image("coco_pixel_values", COCO_SEGMENTER.inputs[0])
COCO_LOGITS = _one_image("coco_logits", COCO_SEGMENTER.outputs[0])
ADE20K_PIXELS = _one_image("ade20k_pixel_values", ADE20K_SEGMENTER.inputs[0])
ADE20K_LOGITS = _one_image("ade20k_logits", ADE20K_SEGMENTER.outputs[0])

PREPROCESS = Model(
    "preprocess",
    "python",
    inputs=(IMAGE,),
    outputs=(RGB, SAM_PIXELS, SEGMENTER_PIXELS),
    settings=("images", "sam", "segmenter", "masks"),
)

ENGINE_PREPROCESS = Model(
    "engine_preprocess",
    "python",
    inputs=(IMAGE, CLASSES),
    outputs=(RGB, SAM_PIXELS, COCO_PIXELS, ADE20K_PIXELS),
    settings=("images", "sam", "coco", "ade20k", "masks"),
)

ENGINE_MASKS_PREPROCESS = Model(
    "engine_masks_preprocess",
    "python",
    inputs=(IMAGE, MASKS, CLASSES),
    outputs=(RGB, COCO_PIXELS, ADE20K_PIXELS, SEGMENTATION, SIZE, BBOX, AREA),
    settings=("images", "coco", "ade20k"),
)

MASK_GENERATION = Model(
    "mask_generation",
    "python",
    inputs=(RGB, _EMBEDDINGS),
    outputs=MASK_OUTPUTS,
    calls=(SAM_IMAGE_ENCODER, SAM_MASK_DECODER),
    settings=("sam", "masks"),
)

SEMANTIC_VOTING = Model(
    "semantic_voting",
    "python",
    inputs=(SEGMENTER_LOGITS, SEGMENTATION, SIZE),
    outputs=LABEL_OUTPUTS,
    settings=("segmenter",),
)

CAPTIONING = Model(
    "captioning",
    "python",
    inputs=(RGB, BBOX, CLASSES),
    outputs=(CAPTION, NOUN_PHRASES),
    calls=(BLIP_VISION_ENCODER, BLIP_TEXT_DECODER),
    settings=("blip",),
    files=("blip_tokenizer.json",),
)

# Apart from the decision, so that pixels vote while captions are written.
ENGINE_VOTING = Model(
    "engine_voting",
    "python",
    inputs=(COCO_LOGITS, ADE20K_LOGITS, SEGMENTATION, SIZE),
    outputs=VOTE_OUTPUTS,
    settings=("coco", "ade20k"),
)

LABEL_DECISION = Model(
    "label_decision",
    "python",
    inputs=(RGB, SEGMENTATION, BBOX, NOUN_PHRASES, COCO_NAME, ADE20K_NAME, CLASSES),
    outputs=DECISION_OUTPUTS,
    calls=(
        CLIP_IMAGE_ENCODER,
        CLIP_TEXT_ENCODER,
        CLIPSEG_VISION_ENCODER,
        CLIPSEG_TEXT_ENCODER,
        CLIPSEG_DECODER,
    ),
    settings=("clip", "clipseg"),
    files=("clip_tokenizer.json", "clipseg_tokenizer.json"),
)

# --- pipelines -------------------------------------------------------------------------------

_SAM = Step(SAM_IMAGE_ENCODER, inputs={PIXEL_VALUES.name: SAM_PIXELS.name})
_ENGINE = (
    Step(
        COCO_SEGMENTER,
        inputs={COCO_SEGMENTER.inputs[0].name: COCO_PIXELS.name},
        outputs={COCO_SEGMENTER.outputs[0].name: COCO_LOGITS.name},
    ),
    Step(
        ADE20K_SEGMENTER,
        inputs={ADE20K_SEGMENTER.inputs[0].name: ADE20K_PIXELS.name},
        outputs={ADE20K_SEGMENTER.outputs[0].name: ADE20K_LOGITS.name},
    ),
    Step(ENGINE_VOTING),
    Step(CAPTIONING),
    Step(LABEL_DECISION),
)

SSA = Ensemble(
    "ssa",
    inputs=(IMAGE,),
    outputs=(*MASK_OUTPUTS, *LABEL_OUTPUTS),
    steps=(
        Step(PREPROCESS),
        _SAM,
        Step(SEMANTIC_SEGMENTER, inputs={SEMANTIC_SEGMENTER.inputs[0].name: SEGMENTER_PIXELS.name}),
        Step(MASK_GENERATION),
        Step(SEMANTIC_VOTING),
    ),
)

SSA_ENGINE = Ensemble(
    "ssa_engine",
    inputs=(IMAGE, CLASSES),
    outputs=(*MASK_OUTPUTS, CAPTION, *VOTE_OUTPUTS, *DECISION_OUTPUTS),
    steps=(Step(ENGINE_PREPROCESS), _SAM, Step(MASK_GENERATION), *_ENGINE),
)

# Masks come with the request, and are answered in its order.
SSA_ENGINE_MASKS = Ensemble(
    "ssa_engine_masks",
    inputs=(IMAGE, MASKS, CLASSES),
    outputs=(SEGMENTATION, SIZE, BBOX, AREA, CAPTION, *VOTE_OUTPUTS, *DECISION_OUTPUTS),
    steps=(Step(ENGINE_MASKS_PREPROCESS), *_ENGINE),
)

ENSEMBLES = (SSA, SSA_ENGINE, SSA_ENGINE_MASKS)
