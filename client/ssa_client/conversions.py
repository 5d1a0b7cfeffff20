"""A result in other tools' forms: SA-1B's JSON object, COCO annotations, supervision."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypedDict

import numpy as np
import numpy.typing as npt
from pycocotools import mask as coco_mask

from ssa_client.results import Mask, Rle, SegmentationResult

if TYPE_CHECKING:
    import supervision


class ImageEntry(TypedDict):
    """SA-1B's description of the image."""

    image_id: int
    width: int
    height: int
    file_name: str


class MaskEntry(TypedDict):
    """SA-1B's annotation of one mask, and its class."""

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


def to_annotation(
    result: SegmentationResult, file_name: str, image_id: int = 1
) -> SemanticAnnotation:
    """SA-1B's object with class names.

    `semantic_mask` has one RLE per class id of the map, `semantic_names` its name.
    """
    height, width = result.size_hw
    class_ids = np.unique(result.semantic_map)
    return {
        "image": {
            "image_id": image_id,
            "width": width,
            "height": height,
            "file_name": file_name,
        },
        "annotations": [_mask_entry(mask, id_) for id_, mask in enumerate(result.masks, start=1)],
        "semantic_mask": {
            str(class_id): _encode(result.semantic_map == class_id) for class_id in class_ids
        },
        "semantic_names": {str(class_id): result.labels[class_id] for class_id in class_ids},
    }


def _mask_entry(mask: Mask, id_: int) -> MaskEntry:
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
    }


def _encode(mask: npt.NDArray[np.bool_]) -> Rle:
    rle = coco_mask.encode(np.asfortranarray(mask, dtype=np.uint8))
    return {"size": [int(side) for side in rle["size"]], "counts": rle["counts"].decode("ascii")}


def to_coco(
    result: SegmentationResult, image_id: int = 1, first_id: int = 1
) -> list[CocoAnnotation]:
    """COCO annotations; ids count from `first_id`, which COCO's evaluator wants above 0.

    Boxes are those that COCO's tools compute, which count both end pixels; segment-anything's
    `bbox_xywh` is one less in width and height.
    """
    return [
        {
            "id": id_,
            "image_id": image_id,
            "category_id": mask.class_id,
            "segmentation": mask.segmentation,
            "bbox": coco_mask.toBbox(mask.segmentation).tolist(),
            "area": mask.area,
            "iscrowd": 0,
            "score": mask.vote_share,
        }
        for id_, mask in enumerate(result.masks, start=first_id)
    ]


def to_supervision(result: SegmentationResult) -> supervision.Detections:
    """`supervision.Detections` with `class_name` among its data and vote shares as confidence.

    Boxes are xyxy with both ends inside, as supervision's own readers of SAM give them.
    """
    import supervision

    count = len(result.masks)
    masks = np.zeros((count, *result.size_hw), np.bool_)
    for i, mask in enumerate(result.masks):
        masks[i] = mask.decode()
    boxes = np.array([mask.bbox_xywh for mask in result.masks], np.float32).reshape(count, 4)
    boxes[:, 2:] += boxes[:, :2]
    return supervision.Detections(
        xyxy=boxes,
        mask=masks,
        class_id=np.array([mask.class_id for mask in result.masks], np.int64),
        confidence=np.array([mask.vote_share for mask in result.masks], np.float32),
        data={"class_name": np.array([mask.class_name for mask in result.masks], np.str_)},
    )
