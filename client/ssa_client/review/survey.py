"""A job's results, each read once: what is counted, and which of them a page shows.

Whatever the number of images, what is held is a count for each class name, and as many masks,
images and broken files as are shown. Nothing depends on the order in which the files come.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from ssa_client._smallest import Smallest
from ssa_client.exceptions import AnnotationReadError
from ssa_client.formats.folder import stored_names
from ssa_client.formats.stored import StoredDocument, read_document
from ssa_client.jobs.names import stable_image_id
from ssa_client.review.errors import ReviewError
from ssa_client.writers import json_path

BINS = 20  # of the histogram of confidence
_LISTED_FILES = 100
# Confidences are summed as whole numbers of this size, in which no order of summing shows.
_UNIT = 2.0**-40


@dataclass
class ClassCount:
    """What all masks of one name have together."""

    masks: int = 0
    visible_area: int = 0  # pixels that no smaller mask lies on
    _confidence_units: int = 0

    def add(self, confidence: float, visible_area: int) -> None:
        """Count a mask."""
        self.masks += 1
        self.visible_area += visible_area
        self._confidence_units += round(confidence / _UNIT)

    @property
    def mean_confidence(self) -> float:
        """Over its masks."""
        return self._confidence_units * _UNIT / self.masks


@dataclass(frozen=True)
class Place:
    """Where a mask is found again: its image, and an index into the annotations of that."""

    file_name: str
    index: int


@dataclass(frozen=True)
class BrokenFile:
    """A file that is not as the commands write it, and why."""

    file: str
    reason: str


@dataclass
class Survey:
    """What is known of a job once all of its files were read.

    Masks without a pixel count nowhere but in `empty_masks`. `sample` are the images whose names
    have the smallest hashes: as good a choice as one at random, and always the same.
    """

    doubtful: Smallest[Place]
    sample: Smallest[str]
    images: int = 0
    masks: int = 0
    pixels: int = 0
    empty_masks: int = 0
    broken_files: int = 0
    classes: dict[str, ClassCount] = field(default_factory=dict)
    histogram: list[int] = field(default_factory=lambda: [0] * BINS)
    broken: Smallest[BrokenFile] = field(default_factory=lambda: Smallest(_LISTED_FILES))

    @classmethod
    def empty(cls, worst: int, pictures: int) -> Survey:
        """The survey of no file that will keep `worst` masks and `pictures` images."""
        return cls(Smallest(worst), Smallest(pictures))

    def add(self, document: StoredDocument) -> None:
        """Count the masks of a file.

        Raises:
            AnnotationReadError: an annotation is not as the commands write it; the file is not
                counted then.
        """
        # All are checked before the first is counted.
        masks = [
            (document.label(index), *document.areas(index))
            for index in range(len(document.annotations))
        ]
        self.images += 1
        self.pixels += document.size_hw[0] * document.size_hw[1]
        name = document.file_name
        self.sample.add((stable_image_id(name), name), name)
        for index, (label, area, visible_area) in enumerate(masks):
            if not area:
                self.empty_masks += 1
                continue
            self.masks += 1
            count = self.classes.setdefault(label.class_name, ClassCount())
            count.add(label.confidence, visible_area)
            self.histogram[min(int(label.confidence * BINS), BINS - 1)] += 1
            # Of two that are equally doubtful the larger is the worse mistake.
            key = (label.confidence, -area, name, index)
            if self.doubtful.wants(key):
                self.doubtful.add(key, Place(name, index))

    def add_broken(self, file: str, error: AnnotationReadError) -> None:
        """Count a file that cannot be used."""
        self.broken_files += 1
        self.broken.add(file, BrokenFile(file, str(error)))


def survey(
    folder: Path,
    *,
    worst: int,
    pictures: int,
    on_read: Callable[[], None] = lambda: None,
) -> Survey:
    """Read every result directly in `folder`.

    Args:
        folder: where `ssa annotate` or `ssa segment` wrote.
        worst: how many of the most doubtful masks to find.
        pictures: how many images to choose.
        on_read: told after each file.

    Raises:
        ReviewError: the folder is missing or cannot be read, or has no results.
    """
    found = Survey.empty(worst, pictures)
    try:
        for file in stored_names(folder):
            try:
                found.add(read_document(folder / file))
            except AnnotationReadError as error:
                found.add_broken(file, error)
            on_read()
    except FileNotFoundError as error:
        raise ReviewError(f"there is no folder {str(folder)!r}.") from error
    except OSError as error:
        raise ReviewError(f"cannot read {str(folder)!r}: {error.strerror}.") from error
    if not found.images and not found.broken_files:
        raise ReviewError(
            f"{str(folder)!r} has no results; expected the {json_path(Path(), 'NAME').name} files "
            "of a job, as `ssa annotate` writes them."
        )
    return found
