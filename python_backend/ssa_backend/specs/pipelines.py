"""The Python steps, each a class of `ssa_backend.steps`, and the ensembles made of them."""

from __future__ import annotations

from ssa_backend.specs.declarations import Ensemble, Model, Step, Tensor
from ssa_backend.specs.networks import (
    ADE20K_SEGMENTER,
    BLIP_TEXT_DECODER,
    BLIP_VISION_ENCODER,
    CLIP_IMAGE_ENCODER,
    CLIP_TEXT_ENCODER,
    CLIPSEG_DECODER,
    CLIPSEG_TEXT_ENCODER,
    CLIPSEG_VISION_ENCODER,
    COCO_SEGMENTER,
    SAM_IMAGE_ENCODER,
    SAM_MASK_DECODER,
    SEMANTIC_SEGMENTER,
)
from ssa_backend.specs.tensors import (
    ADE20K_NAME,
    AREA,
    BBOX,
    CAPTION,
    CLASSES,
    COCO_NAME,
    DECISION_OUTPUTS,
    IMAGE,
    IMAGE_EMBEDDINGS,
    LABEL_OUTPUTS,
    MASK_OUTPUTS,
    MASKS,
    NOUN_PHRASES,
    PIXEL_VALUES,
    RGB,
    SEGMENTATION,
    SIZE,
    VOTE_OUTPUTS,
)

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
    takes_gpu_tensors=True,
)

SEMANTIC_VOTING = Model(
    "semantic_voting",
    "python",
    inputs=(SEGMENTER_LOGITS, SEGMENTATION, SIZE),
    outputs=LABEL_OUTPUTS,
    settings=("segmenter",),
    takes_gpu_tensors=True,
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
    takes_gpu_tensors=True,
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

# --- ensembles -----------------------------------------------------------------------------------

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
