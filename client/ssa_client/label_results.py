"""What the engine says of an image: masks with names, and what each name rests on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ssa_client.results import Segment, SegmentedImage

if TYPE_CHECKING:
    import supervision
    from PIL import Image

    from ssa_client._image import ImageSource
    from ssa_client.conversions import CocoAnnotation, LabelAnnotation


@dataclass(frozen=True)
class LabelledMask(Segment):
    """One segment, its name, and where the name came from.

    `clip_scores` and `clipseg_shares` are parallel to `class_proposals`. What SAM said of the mask
    is None for a mask that came with the request without saying it.
    """

    class_name: str
    class_proposals: tuple[str, ...]  # best first, by CLIP
    clip_scores: tuple[float, ...]  # softmax over all candidate names, of each proposal
    clipseg_shares: tuple[float, ...]  # share of the mask's pixels that each proposal won
    caption: str  # BLIP's; empty where the request brought its own classes
    coco_name: str  # most votes of the COCO segmenter
    coco_share: float  # share of the mask's pixels that voted for it
    ade20k_name: str
    ade20k_share: float
    predicted_iou: float | None = None  # SAM's own estimate
    stability_score: float | None = None
    point_coords: tuple[float, float] | None = None  # x, y of the prompt that found it
    crop_box_xywh: tuple[int, int, int, int] | None = None
    # The other fields of the annotation that the mask was given as; `to_annotation` keeps them.
    source: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @property
    def confidence(self) -> float:
        """How sure the engine is of `class_name`, 0 to 1: sort by it to review doubtful ones first.

        CLIPSeg's share of the winner times its CLIP score among the proposals alone, so that it is
        1 only where both agree: every pixel of the mask, and no other proposal near.
        """
        if self.class_name not in self.class_proposals:
            return 0.0
        winner = self.class_proposals.index(self.class_name)
        total = sum(self.clip_scores)
        return self.clipseg_shares[winner] * self.clip_scores[winner] / total if total > 0 else 0.0


@dataclass(frozen=True)
class LabelResult(SegmentedImage):
    """Every segment of one image with an open-vocabulary name.

    `masks` are sorted by area, largest first; masks that came with the request keep its order.
    """

    size_hw: tuple[int, int]
    masks: tuple[LabelledMask, ...]

    @property
    def class_names(self) -> tuple[str, ...]:
        """The names that occur, each once, sorted."""
        return tuple(sorted({mask.class_name for mask in self.masks}))

    def to_annotation(self, file_name: str, image_id: int = 1) -> LabelAnnotation:
        """SA-1B's JSON object for the image, with names and what each rests on."""
        from ssa_client.conversions import label_annotation

        return label_annotation(self, file_name, image_id)

    def to_coco(
        self, image_id: int = 1, first_id: int = 1, categories: Mapping[str, int] | None = None
    ) -> list[CocoAnnotation]:
        """COCO annotations, numbered from `first_id`, with `confidence` as score.

        Args:
            image_id: id of the image.
            first_id: id of the first annotation; COCO's evaluator wants ids above 0.
            categories: category ids by name. Without it the names of this image are numbered from
                1 in sorted order; several images of one data set want one mapping for all.

        Raises:
            ValueError: a name that is not in `categories`.
        """
        from ssa_client.conversions import to_coco

        return to_coco(
            self.masks, self._category_ids(categories), self._confidences(), image_id, first_id
        )

    def coco_categories(self, categories: Mapping[str, int] | None = None) -> list[dict[str, Any]]:
        """COCO's `categories` for the ids that `to_coco` writes with the same argument."""
        chosen = self._numbered() if categories is None else categories
        return [{"id": id_, "name": name} for name, id_ in chosen.items()]

    def to_supervision(self, categories: Mapping[str, int] | None = None) -> supervision.Detections:
        """`supervision.Detections` with category ids as `to_coco` has them; N * H * W bytes.

        Raises:
            ImportError: the extra `draw` is not installed.
            ValueError: a name that is not in `categories`.
        """
        from ssa_client.conversions import to_supervision

        names = [mask.class_name for mask in self.masks]
        ids = self._category_ids(categories)
        return to_supervision(self.size_hw, self.masks, ids, names, self._confidences())

    def draw(self, image: ImageSource) -> Image.Image:
        """The image under its segments, with outlines, names and a legend.

        Raises:
            ImportError: the extra `draw` is not installed.
            ImageReadError: the image cannot be read.
            ValueError: the image has another size than the one that was labelled.
        """
        from ssa_client._painting import painting_of_labels
        from ssa_client.drawing import draw

        return draw(painting_of_labels(self), image)

    def _numbered(self) -> dict[str, int]:
        return {name: id_ for id_, name in enumerate(self.class_names, start=1)}

    def _category_ids(self, categories: Mapping[str, int] | None) -> list[int]:
        chosen = self._numbered() if categories is None else categories
        missing = [name for name in self.class_names if name not in chosen]
        if missing:
            raise ValueError(f"categories has no id for {', '.join(map(repr, missing))}.")
        return [chosen[mask.class_name] for mask in self.masks]

    def _confidences(self) -> list[float]:
        return [mask.confidence for mask in self.masks]
