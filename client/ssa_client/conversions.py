"""A result in other tools' forms: SA-1B's JSON object, COCO annotations, supervision."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, TypedDict

import numpy as np
import numpy.typing as npt
from pycocotools import mask as coco_mask

from ssa_backend.rle import runs_of_mask
from ssa_client.label_results import LabelledMask, LabelResult
from ssa_client.results import Mask, Rle, Segment, SegmentationResult, SegmentedImage, encoded

if TYPE_CHECKING:
    import supervision


class ImageEntry(TypedDict):
    """SA-1B's description of the image."""

    image_id: int
    width: int
    height: int
    file_name: str


class Place(TypedDict):
    """Where a mask lies among those of its image; `ssa_client.structure` says how it is found.

    The visible parts of all masks together are the disjoint panoptic map.
    """

    parent: Any  # `id` of the whole that it is part of, None where there is none
    visible_area: int  # pixels of it that no smaller mask lies on
    visible_segmentation: Rle  # these pixels


class MaskEntry(Place):
    """SA-1B's annotation of one mask, its class, and its place among the masks."""

    id: int
    segmentation: Rle
    bbox: list[int]
    area: int
    predicted_iou: float
    stability_score: float
    point_coords: list[list[float]]
    crop_box: list[int]
    class_id: int
    class_name: str
    class_proposals: list[str]
    vote_share: float


class SemanticAnnotation(TypedDict):
    """What `<name>_semantic.json` holds."""

    image: ImageEntry
    annotations: list[MaskEntry]
    semantic_mask: dict[str, Rle]
    semantic_names: dict[str, str]


class LabelAnnotation(TypedDict):
    """What `<name>_semantic.json` holds when the engine wrote it.

    Annotations are SA-1B's with `class_name`, `class_proposals` and the other fields of
    `LabelledMask`, and those of `Place`; what a given mask came without, such as `predicted_iou`,
    is left out.
    """

    image: ImageEntry
    annotations: list[dict[str, Any]]


class CocoAnnotation(TypedDict):
    """One entry of COCO's `annotations`."""

    id: int
    image_id: int
    category_id: int
    segmentation: Rle
    bbox: list[float]
    area: int
    iscrowd: int
    score: float


def semantic_annotation(
    result: SegmentationResult, file_name: str, image_id: int = 1
) -> SemanticAnnotation:
    """SA-1B's object with class names.

    `semantic_mask` has one RLE per class id of the map, `semantic_names` its name.
    """
    class_ids = np.unique(result.semantic_map)
    ids = range(1, len(result.masks) + 1)
    return {
        "image": _image_entry(result.size_hw, file_name, image_id),
        "annotations": [
            _mask_entry(*row) for row in zip(result.masks, ids, _places(result, ids), strict=True)
        ],
        "semantic_mask": {
            str(class_id): encode_mask(result.semantic_map == class_id) for class_id in class_ids
        },
        "semantic_names": {str(class_id): result.labels[class_id] for class_id in class_ids},
    }


def label_annotation(result: LabelResult, file_name: str, image_id: int = 1) -> LabelAnnotation:
    """SA-1B's object with names and what each rests on.

    A mask that came as an annotation keeps that annotation's other fields, its `id` among them.
    """
    ids = [mask.source.get("id", number) for number, mask in enumerate(result.masks, start=1)]
    return {
        "image": _image_entry(result.size_hw, file_name, image_id),
        "annotations": [
            _label_entry(*row) for row in zip(result.masks, ids, _places(result, ids), strict=True)
        ],
    }


def _places(result: SegmentedImage, ids: Sequence[Any]) -> Iterator[Place]:
    """Where each of the result's masks, which are called `ids`, lies among them."""
    for parent, visible_area, visible_segmentation in zip(
        result.parents, result.visible_areas, result.visible_segmentations, strict=True
    ):
        yield {
            "parent": None if parent is None else ids[parent],
            "visible_area": visible_area,
            "visible_segmentation": visible_segmentation,
        }


def _image_entry(size_hw: tuple[int, int], file_name: str, image_id: int) -> ImageEntry:
    height, width = size_hw
    return {"image_id": image_id, "width": width, "height": height, "file_name": file_name}


def _mask_entry(mask: Mask, id_: int, place: Place) -> MaskEntry:
    return {
        "id": id_,
        "segmentation": mask.segmentation,
        "bbox": list(mask.bbox_xywh),
        "area": mask.area,
        "predicted_iou": mask.predicted_iou,
        "stability_score": mask.stability_score,
        "point_coords": [list(mask.point_coords)],
        "crop_box": list(mask.crop_box_xywh),
        "class_id": mask.class_id,
        "class_name": mask.class_name,
        "class_proposals": list(mask.class_proposals),
        "vote_share": mask.vote_share,
        **place,
    }


def _label_entry(mask: LabelledMask, id_: Any, place: Place) -> dict[str, Any]:
    of_sam = {
        "predicted_iou": mask.predicted_iou,
        "stability_score": mask.stability_score,
        "point_coords": None if mask.point_coords is None else [list(mask.point_coords)],
        "crop_box": None if mask.crop_box_xywh is None else list(mask.crop_box_xywh),
    }
    return {
        **{name: value for name, value in of_sam.items() if value is not None},
        **mask.source,
        "id": id_,
        "segmentation": mask.segmentation,
        "bbox": list(mask.bbox_xywh),
        "area": mask.area,
        "class_name": mask.class_name,
        "class_proposals": list(mask.class_proposals),
        "confidence": mask.confidence,
        "clip_scores": list(mask.clip_scores),
        "clipseg_shares": list(mask.clipseg_shares),
        "caption": mask.caption,
        "coco_name": mask.coco_name,
        "coco_share": mask.coco_share,
        "ade20k_name": mask.ade20k_name,
        "ade20k_share": mask.ade20k_share,
        **place,
    }


def encode_mask(mask: npt.NDArray[np.bool_]) -> Rle:
    """COCO's compressed RLE of a mask, bool [H, W]."""
    height, width = mask.shape
    return encoded(runs_of_mask(mask), (height, width))


def to_coco(
    masks: Sequence[Segment],
    category_ids: Sequence[int],
    scores: Sequence[float],
    image_id: int = 1,
    first_id: int = 1,
) -> list[CocoAnnotation]:
    """COCO annotations; ids count from `first_id`, which COCO's evaluator wants above 0.

    Boxes are those that COCO's tools compute, which count both end pixels; segment-anything's
    `bbox_xywh` is one less in width and height.
    """
    columns = zip(masks, category_ids, scores, strict=True)
    return [
        {
            "id": id_,
            "image_id": image_id,
            "category_id": category_id,
            "segmentation": mask.segmentation,
            "bbox": coco_mask.toBbox(mask.segmentation).tolist(),
            "area": mask.area,
            "iscrowd": 0,
            "score": score,
        }
        for id_, (mask, category_id, score) in enumerate(columns, start=first_id)
    ]


def to_supervision(
    size_hw: tuple[int, int],
    masks: Sequence[Segment],
    class_ids: Sequence[int],
    class_names: Sequence[str],
    confidences: Sequence[float],
) -> supervision.Detections:
    """`supervision.Detections` with `class_name` among its data.

    Boxes are xyxy with both ends inside, as supervision's own readers of SAM give them.
    """
    import supervision

    decoded = np.zeros((len(masks), *size_hw), np.bool_)
    for i, mask in enumerate(masks):
        decoded[i] = mask.decode()
    boxes = np.array([mask.bbox_xywh for mask in masks], np.float32).reshape(len(masks), 4)
    boxes[:, 2:] += boxes[:, :2]
    return supervision.Detections(
        xyxy=boxes,
        mask=decoded,
        class_id=np.array(class_ids, np.int64),
        confidence=np.array(confidences, np.float32),
        data={"class_name": np.array(class_names, np.str_)},
    )
