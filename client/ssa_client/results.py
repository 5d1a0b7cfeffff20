"""What a segmentation is, as the caller gets it; the engine's results are in `label_results`."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypedDict

import numpy as np
import numpy.typing as npt
from pycocotools import mask as coco_mask

from ssa_backend.rle import Runs, encode

if TYPE_CHECKING:
    import supervision
    from PIL import Image

    from ssa_client._image import ImageSource
    from ssa_client.conversions import CocoAnnotation, SemanticAnnotation


class Rle(TypedDict):
    """A binary mask in COCO's compressed run-length encoding."""

    size: list[int]  # height, width
    counts: str


def encoded(runs: Runs, size_hw: tuple[int, int]) -> Rle:
    """The RLE of a mask of `size_hw` (height, width) pixels."""
    return {"size": list(size_hw), "counts": encode(runs, size_hw).decode("ascii")}


@dataclass(frozen=True)
class Segment:
    """One mask: what those of both pipelines have. Coordinates are pixels, x right, y down."""

    segmentation: Rle
    bbox_xywh: tuple[int, int, int, int]  # as segment-anything gives it: x_max - x_min, y likewise
    area: int  # pixels

    def decode(self) -> npt.NDArray[np.bool_]:
        """The mask as bool [H, W], decoded anew at each call: nothing keeps N of them."""
        mask: npt.NDArray[np.uint8] = coco_mask.decode(self.segmentation)
        return mask.astype(np.bool_)


class SegmentedImage:
    """How the masks of one image lie on and in each other: what both pipelines' results have.

    Each is computed when it is first asked for; `ssa_client.structure` says how.
    """

    size_hw: tuple[int, int]
    masks: tuple[Segment, ...]

    @cached_property
    def panoptic_map(self) -> npt.NDArray[np.int32]:
        """Each pixel's mask, smaller ones on top: read-only int32 [H, W] indices, -1 for none."""
        from ssa_client.structure import panoptic_map

        panoptic = panoptic_map(self.masks, self.size_hw)
        panoptic.setflags(write=False)
        return panoptic

    @cached_property
    def visible_segmentations(self) -> tuple[Rle, ...]:
        """`panoptic_map` mask by mask: the part of each that no smaller one lies on."""
        from ssa_client.structure import visible_segmentations

        return visible_segmentations(self.panoptic_map, len(self.masks))

    @cached_property
    def visible_areas(self) -> tuple[int, ...]:
        """Pixels of each mask in `panoptic_map`."""
        areas: npt.NDArray[np.uint32] = coco_mask.area(list(self.visible_segmentations))
        return tuple(areas.tolist())

    @cached_property
    def parents(self) -> tuple[int | None, ...]:
        """The whole that each mask is part of, as an index: the smallest larger mask that holds at
        least 90% of it. None where there is none.
        """
        from ssa_client.structure import parents

        return parents(self.masks)


@dataclass(frozen=True)
class Mask(Segment):
    """One segment and its class."""

    predicted_iou: float  # SAM's own estimate
    stability_score: float
    point_coords: tuple[float, float]  # x, y of the prompt that found it
    crop_box_xywh: tuple[int, int, int, int]
    class_id: int
    class_name: str
    class_proposals: tuple[str, ...]  # best first
    vote_share: float  # share of the mask's pixels that voted for class_id


@dataclass(frozen=True, eq=False)
class SegmentationResult(SegmentedImage):
    """Every segment of one image, and the class of every pixel.

    `masks` are sorted by area, largest first. `labels[i]` names class i. `semantic_map` is uint16
    [H, W] class ids: the segmenter's map with the masks painted over it. `branch_map`, where it was
    asked for, is the segmenter's map alone. The arrays are read-only.
    """

    size_hw: tuple[int, int]
    masks: tuple[Mask, ...]
    labels: tuple[str, ...]
    semantic_map: npt.NDArray[np.uint16]
    branch_map: npt.NDArray[np.uint16] | None = None

    def to_annotation(self, file_name: str, image_id: int = 1) -> SemanticAnnotation:
        """SA-1B's JSON object for the image, with class names and one RLE per class."""
        from ssa_client.conversions import semantic_annotation

        return semantic_annotation(self, file_name, image_id)

    def to_coco(self, image_id: int = 1, first_id: int = 1) -> list[CocoAnnotation]:
        """COCO annotations with `class_id` as category, numbered from `first_id`."""
        from ssa_client.conversions import to_coco

        class_ids = [mask.class_id for mask in self.masks]
        return to_coco(self.masks, class_ids, self._vote_shares(), image_id, first_id)

    def coco_categories(self) -> list[dict[str, Any]]:
        """COCO's `categories`: every class that the segmenter knows."""
        return [{"id": id_, "name": name} for id_, name in enumerate(self.labels)]

    def to_supervision(self) -> supervision.Detections:
        """`supervision.Detections`, vote shares as confidence; N * H * W bytes of masks.

        Raises:
            ImportError: the extra `draw` is not installed.
        """
        from ssa_client.conversions import to_supervision

        class_ids = [mask.class_id for mask in self.masks]
        names = [mask.class_name for mask in self.masks]
        return to_supervision(self.size_hw, self.masks, class_ids, names, self._vote_shares())

    def draw(self, image: ImageSource) -> Image.Image:
        """The image under its segments, with outlines, names and a legend.

        Raises:
            ImportError: the extra `draw` is not installed.
            ImageReadError: the image cannot be read.
            ValueError: the image has another size than the one that was segmented.
        """
        from ssa_client._painting import painting_of_map
        from ssa_client.drawing import draw

        return draw(painting_of_map(self), image)

    def _vote_shares(self) -> list[float]:
        return [mask.vote_share for mask in self.masks]
