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
    "segmenter_height",  # input of the semantic segmenter, pixels
    "segmenter_width",
    "logits_height",  # its output
    "logits_width",
    "classes",
)


@dataclass(frozen=True)
class Tensor:
    """A named array: Triton's datatype and its axes, slowest first."""

    name: str
    datatype: Literal["BYTES", "UINT8", "UINT16", "INT32", "INT64", "FP32"]
    shape: tuple[Axis, ...]
    doc: str = ""

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


# --- tensors ---------------------------------------------------------------------------------

IMAGE = Tensor("IMAGE", "BYTES", (1,), "one encoded image: JPEG, PNG, WebP, BMP or TIFF")

RGB = Tensor("rgb", "UINT8", ("height", "width", 3), "the decoded image")
PIXEL_VALUES = Tensor("pixel_values", "FP32", (3, "sam_size", "sam_size"))
IMAGE_EMBEDDINGS = Tensor("image_embeddings", "FP32", ("embed_dim", "embed_size", "embed_size"))
POINT_COORDS = Tensor("point_coords", "FP32", ("prompts", "points", 2), "x, y in encoder pixels")
POINT_LABELS = Tensor("point_labels", "INT64", ("prompts", "points"), "1 on the object, 0 off it")
LOW_RES_MASKS = Tensor("low_res_masks", "FP32", ("prompts", 3, "mask_size", "mask_size"), "logits")
IOU_PREDICTIONS = Tensor("iou_predictions", "FP32", ("prompts", 3))
SEGMENTER_PIXEL_VALUES = Tensor(
    "pixel_values", "FP32", (3, "segmenter_height", "segmenter_width"), "resized and normalised"
)
LOGITS = Tensor("logits", "FP32", ("classes", "logits_height", "logits_width"))

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
LABELS = Tensor("labels", "BYTES", ("classes",), "the name of every class id of the maps")
LABEL_OUTPUTS = (
    CLASS_ID,
    CLASS_NAME,
    CLASS_PROPOSALS,
    VOTE_SHARE,
    SEMANTIC_MAP,
    BRANCH_MAP,
    LABELS,
)

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

SEMANTIC_SEGMENTER = Model(
    "semantic_segmenter",
    "onnxruntime",
    inputs=(SEGMENTER_PIXEL_VALUES,),
    outputs=(LOGITS,),
    max_batch_size=4,
    atol=1e-3,
)

# --- Python steps ----------------------------------------------------------------------------

# Between steps every tensor carries its batch axis: networks batch, steps see one image.
SAM_PIXELS = Tensor("sam_pixel_values", "FP32", (1, *PIXEL_VALUES.shape))
SEGMENTER_PIXELS = Tensor("segmenter_pixel_values", "FP32", (1, *SEGMENTER_PIXEL_VALUES.shape))
_EMBEDDINGS = Tensor("image_embeddings", "FP32", (1, *IMAGE_EMBEDDINGS.shape))
_LOGITS = Tensor("logits", "FP32", (1, *LOGITS.shape))

PREPROCESS = Model(
    "preprocess",
    "python",
    inputs=(IMAGE,),
    outputs=(RGB, SAM_PIXELS, SEGMENTER_PIXELS),
    settings=("images", "sam", "segmenter", "masks"),
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
    inputs=(_LOGITS, SEGMENTATION, SIZE),
    outputs=LABEL_OUTPUTS,
    settings=("segmenter",),
)

# --- pipelines -------------------------------------------------------------------------------

SSA = Ensemble(
    "ssa",
    inputs=(IMAGE,),
    outputs=(*MASK_OUTPUTS, *LABEL_OUTPUTS),
    steps=(
        Step(PREPROCESS),
        Step(SAM_IMAGE_ENCODER, inputs={PIXEL_VALUES.name: SAM_PIXELS.name}),
        Step(SEMANTIC_SEGMENTER, inputs={SEGMENTER_PIXEL_VALUES.name: SEGMENTER_PIXELS.name}),
        Step(MASK_GENERATION),
        Step(SEMANTIC_VOTING),
    ),
)

ENSEMBLES = (SSA,)
