"""One `<name>_semantic.json` as `ssa segment` and `ssa annotate` write it, read and checked."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any

import numpy as np
import numpy.typing as npt

from ssa_backend import rle
from ssa_client.exceptions import AnnotationReadError
from ssa_client.results import Segment
from ssa_client.writers import json_path


@dataclass(frozen=True, eq=False)
class StoredMask(Segment):
    """One mask of a file. `area` and `bbox_xywh` are counted from the mask, not taken from it.

    `class_id` is None where the engine named the mask. `confidence` is 0 to 1: the closed set's
    `vote_share`, the engine's `confidence`. `box_xyxy` are pixels, both ends inside.
    """

    id: int
    class_name: str
    class_id: int | None
    confidence: float
    box_xyxy: tuple[int, int, int, int]
    runs: rle.Runs

    def window(self) -> npt.NDArray[np.bool_]:
        """The mask within `box_xyxy`: bool [h, w]."""
        return self.runs.columns(self.segmentation["size"][0]).T


@dataclass(frozen=True, eq=False)
class StoredImage:
    """One image and its masks, largest first; masks without a pixel are left out.

    `closed_set` says that class ids are those of a segmenter, rather than free names.
    """

    file_name: str
    size_hw: tuple[int, int]
    masks: tuple[StoredMask, ...]
    closed_set: bool

    @property
    def stem(self) -> str:
        """The file name without its ending, which names the files made of it."""
        return PurePath(self.file_name).stem


@dataclass(frozen=True)
class StoredLabel:
    """What a mask is called; `class_id` and `confidence` are as in `StoredMask`."""

    class_name: str
    class_id: int | None
    confidence: float


@dataclass(frozen=True, eq=False)
class StoredDocument:
    """A file whose head is checked; each of its annotations is checked when it is asked for."""

    file_name: str
    size_hw: tuple[int, int]
    closed_set: bool
    annotations: Sequence[object]

    def label(self, index: int) -> StoredLabel:
        """The name of mask `index`, without a look at its pixels.

        Raises:
            AnnotationReadError: there is none.
        """
        return _label(f"annotations[{index}]", self.annotations[index], self.closed_set)

    def areas(self, index: int) -> tuple[int, int]:
        """Pixels of mask `index`, and those that no smaller mask lies on, as the file has them.

        Raises:
            AnnotationReadError: it does not have both.
        """
        name, annotation = f"annotations[{index}]", self.annotations[index]
        area = _entry(annotation, "area", int, name)
        visible = _entry(annotation, "visible_area", int, name)
        if not 0 <= visible <= area <= math.prod(self.size_hw):
            raise AnnotationReadError(
                f"{name} has the area {area}, {visible} of it visible; expected no more than the "
                "image has."
            )
        return area, visible

    def mask(self, index: int) -> StoredMask | None:
        """Mask `index`, checked down to its run lengths; None where it has no pixel.

        Raises:
            AnnotationReadError: it is not as the commands write it.
        """
        name = f"annotations[{index}]"
        return _mask(name, self.annotations[index], index + 1, self.size_hw, self.closed_set)

    def masks(self) -> tuple[StoredMask, ...]:
        """All of them, largest first, without those that have no pixel.

        Raises:
            AnnotationReadError: one is not as the commands write it.
        """
        found = filter(None, map(self.mask, range(len(self.annotations))))
        return tuple(sorted(found, key=lambda mask: -mask.area))


def read_stored(path: Path) -> StoredImage:
    """Read a file and check all of it, down to each mask's run lengths.

    Raises:
        AnnotationReadError: it cannot be read, or is not as the commands write it; the message
            says where and what was expected, and leaves the file to the caller to name.
    """
    document = read_document(path)
    return StoredImage(document.file_name, document.size_hw, document.masks(), document.closed_set)


def read_document(path: Path) -> StoredDocument:
    """Read a file and check what it says of its image.

    Raises:
        AnnotationReadError: as `read_stored`, of the file as a whole.
    """
    try:
        document = json.loads(path.read_bytes())
    except OSError as error:
        raise AnnotationReadError(f"cannot be read: {error.strerror}.") from error
    except (ValueError, RecursionError) as error:
        raise AnnotationReadError(f"is no JSON: {error}.") from error
    image = _entry(document, "image", dict, "the file")
    annotations = _entry(document, "annotations", list, "the file")
    file_name = _entry(image, "file_name", str, "image")
    size_hw = _side(image, "height"), _side(image, "width")
    # Output files are named after images: two files for one image would overwrite each other's.
    if PurePath(file_name).name != file_name or stored_path(path.parent, file_name) != path:
        raise AnnotationReadError(
            f"describes {file_name!r}; expected an image whose file name gives this file's."
        )
    # The engine keeps fields of given masks, so that class ids alone prove nothing.
    return StoredDocument(file_name, size_hw, "semantic_mask" in document, annotations)


def stored_path(folder: Path, file_name: str) -> Path:
    """Where the results of the image called `file_name` lie."""
    return json_path(folder, PurePath(file_name).stem)


def _mask(
    name: str, annotation: object, number: int, size_hw: tuple[int, int], closed_set: bool
) -> StoredMask | None:
    segmentation = _entry(annotation, "segmentation", dict, name)
    counts = _entry(segmentation, "counts", str, f"{name} segmentation")
    if segmentation.get("size") != list(size_hw):
        raise AnnotationReadError(
            f"{name} has the size {segmentation.get('size')!r}; expected the image's, "
            f"{list(size_hw)}."
        )
    try:
        runs = rle.decode(counts.encode("utf-8"), size_hw)
    except ValueError as error:
        raise AnnotationReadError(f"{name}: {error}") from error
    label = _label(name, annotation, closed_set)
    if not runs.area:
        return None
    x0, y0, x1, y1 = runs.box_xyxy(size_hw[0])
    return StoredMask(
        segmentation={"size": list(size_hw), "counts": counts},
        bbox_xywh=(x0, y0, x1 - x0, y1 - y0),
        area=runs.area,
        id=number,
        class_name=label.class_name,
        class_id=label.class_id,
        confidence=label.confidence,
        box_xyxy=(x0, y0, x1, y1),
        runs=runs,
    )


def _label(name: str, annotation: object, closed_set: bool) -> StoredLabel:
    class_name = _entry(annotation, "class_name", str, name)
    # Control characters have no place in XML, and line ends none in a YAML name.
    if not class_name.strip() or min(class_name) < " ":
        raise AnnotationReadError(f"{name} has the class_name {class_name!r}; expected words.")
    class_id = _entry(annotation, "class_id", int, name) if closed_set else None
    if class_id is not None and class_id < 0:
        raise AnnotationReadError(f"{name} has the class_id {class_id}; expected 0 or more.")
    key = "vote_share" if closed_set else "confidence"
    return StoredLabel(class_name, class_id, _confidence(annotation, key, name))


def _confidence(annotation: object, key: str, name: str) -> float:
    value = _entry(annotation, key, (int, float), name)
    if not 0 <= value <= 1:
        raise AnnotationReadError(f"{name} has the {key} {value}; expected 0 to 1.")
    return float(value)


def _side(image: Mapping[str, Any], key: str) -> int:
    side: int = _entry(image, key, int, "image")
    if side < 1:
        raise AnnotationReadError(f"image has the {key} {side}; expected 1 or more.")
    return side


def _entry(holder: object, key: str, kind: type | tuple[type, ...], name: str) -> Any:
    """`holder[key]`, held to its JSON type."""
    value = holder.get(key) if isinstance(holder, Mapping) else None
    if not isinstance(value, kind) or isinstance(value, bool):
        raise AnnotationReadError(f"{name} has no {key}, as `ssa segment` and `annotate` write it.")
    return value
