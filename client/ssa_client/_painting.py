"""What a picture shows, the same for both pipelines; `drawing` draws it."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ssa_client.label_results import LabelResult
from ssa_client.results import Segment, SegmentationResult

UNNAMED = -1
# Names have no number of their own. The palette's first colours are those most unlike each other:
# with these few, two names of a picture are told apart, though more of them meet.
_NAME_COLORS = 24


@dataclass(frozen=True, eq=False)
class Painting:
    """Named segments and the class of every pixel.

    `masks`, largest first, are parallel to `class_ids`. `class_map` is an integer array [H, W] of
    class ids, `UNNAMED` where there is none; the colour of a class follows from its id.
    """

    masks: Sequence[Segment]
    class_ids: Sequence[int]
    class_map: npt.NDArray[np.integer[Any]]
    names: Mapping[int, str]

    @property
    def size_hw(self) -> tuple[int, int]:
        """Height and width of the image, pixels."""
        height, width = self.class_map.shape
        return height, width


def painting_of_map(result: SegmentationResult) -> Painting:
    """The closed set's: its own map."""
    class_ids = [mask.class_id for mask in result.masks]
    return Painting(result.masks, class_ids, result.semantic_map, dict(enumerate(result.labels)))


def painting_of_labels(result: LabelResult) -> Painting:
    """The engine's: masks painted largest first, so that small ones lie on top."""
    masks = sorted(result.masks, key=lambda mask: -mask.area)
    # The largest first: they are seen most, and so keep their colours.
    ids = ids_of_names(mask.class_name for mask in masks)
    class_ids = [ids[mask.class_name] for mask in masks]
    names = {id_: name for name, id_ in ids.items()}
    return painting_of_masks(result.size_hw, masks, class_ids, names)


def painting_of_masks(
    size_hw: tuple[int, int],
    masks: Sequence[Segment],
    class_ids: Sequence[int],
    names: Mapping[int, str],
) -> Painting:
    """Masks, largest first, painted on nothing."""
    class_map = np.full(size_hw, UNNAMED, np.int32)
    for mask, class_id in zip(masks, class_ids, strict=True):
        class_map[mask.decode()] = class_id
    return Painting(masks, class_ids, class_map, names)


def ids_of_names(names: Iterable[str]) -> dict[str, int]:
    """A number for each name, different within one picture.

    It is the same from picture to picture unless a name before it has that number already.
    """
    ids: dict[str, int] = {}
    taken: set[int] = set()
    for name in names:
        if name in ids:
            continue
        id_ = zlib.crc32(name.encode("utf-8")) % _NAME_COLORS
        while id_ in taken:
            id_ = (id_ + 1) % _NAME_COLORS if len(taken) < _NAME_COLORS else id_ + 1
        ids[name] = id_
        taken.add(id_)
    return ids
