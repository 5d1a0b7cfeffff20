"""What a segmentation is, as the caller gets it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypedDict

import numpy as np
import numpy.typing as npt
from pycocotools import mask as coco_mask

if TYPE_CHECKING:
    import supervision
    from PIL import Image

    from ssa_client._image import ImageSource
    from ssa_client.conversions import CocoAnnotation, SemanticAnnotation


class Rle(TypedDict):
    """A binary mask in COCO's compressed run-length encoding."""

    size: list[int]  # height, width
    counts: str


@dataclass(frozen=True)
class Mask:
    """One segment and its class. Coordinates are pixels of the image, x to the right, y down."""

    segmentation: Rle
    bbox_xywh: tuple[int, int, int, int]  # as segment-anything gives it: x_max - x_min, y likewise
    area: int  # pixels
    predicted_iou: float  # SAM's own estimate
    stability_score: float
    point_coords: tuple[float, float]  # x, y of the prompt that found it
    crop_box_xywh: tuple[int, int, int, int]
    class_id: int
    class_name: str
    class_proposals: tuple[str, ...]  # best first
    vote_share: float  # share of the mask's pixels that voted for class_id

    def decode(self) -> npt.NDArray[np.bool_]:
        """The mask as bool [H, W], decoded anew at each call: nothing keeps N of them."""
        mask: npt.NDArray[np.uint8] = coco_mask.decode(self.segmentation)
        return mask.astype(np.bool_)


@dataclass(frozen=True, eq=False)
class SegmentationResult:
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
        from ssa_client.conversions import to_annotation

        return to_annotation(self, file_name, image_id)

    def to_coco(self, image_id: int = 1, first_id: int = 1) -> list[CocoAnnotation]:
        """COCO annotations with `class_id` as category, numbered from `first_id`."""
        from ssa_client.conversions import to_coco

        return to_coco(self, image_id, first_id)

    def coco_categories(self) -> list[dict[str, Any]]:
        """COCO's `categories`: every class that the segmenter knows."""
        return [{"id": id_, "name": name} for id_, name in enumerate(self.labels)]

    def to_supervision(self) -> supervision.Detections:
        """`supervision.Detections`; holds all N masks at full size, N * H * W bytes.

        Raises:
            ImportError: the extra `draw` is not installed.
        """
        from ssa_client.conversions import to_supervision

        return to_supervision(self)

    def draw(self, image: ImageSource) -> Image.Image:
        """The image under its segments, with outlines, names and a legend.

        Raises:
            ImportError: the extra `draw` is not installed.
            ImageReadError: the image cannot be read.
            ValueError: the image has another size than the one that was segmented.
        """
        from ssa_client.drawing import draw

        return draw(self, image)
