"""What a page shows of a job: its most doubtful masks and some images, with their pictures.

Each image is opened once, and one at a time.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image

from ssa_client._embedding import data_uri
from ssa_client._legend import LegendEntry
from ssa_client.exceptions import AnnotationReadError, SsaError
from ssa_client.formats.stored import StoredDocument, read_document, stored_path
from ssa_client.review.errors import ReviewError
from ssa_client.review.evidence import Evidence, evidence_of
from ssa_client.review.images import ReviewImages
from ssa_client.review.pictures import draw_crop, draw_overview
from ssa_client.review.survey import Place, Survey

_CROP_QUALITY = 78
_OVERVIEW_QUALITY = 80


@dataclass(frozen=True)
class Shown:
    """A picture as a data URI, or why there is none."""

    uri: str = ""
    missing: str = ""


@dataclass(frozen=True)
class DoubtfulMask:
    """A mask, its name, and what speaks for the name."""

    file_name: str
    number: int  # among the annotations of its image, from 1
    class_name: str
    confidence: float
    area: int  # pixels
    picture: Shown
    evidence: Evidence


@dataclass(frozen=True)
class Overview:
    """An image under all of its masks."""

    file_name: str
    masks: int
    picture: Shown
    legend: list[LegendEntry] = field(default_factory=list)


@dataclass(frozen=True)
class Exhibits:
    """In the order in which they are shown."""

    doubtful: list[DoubtfulMask]
    overviews: list[Overview]

    @property
    def missing(self) -> list[str]:
        """Why there is no picture, for each that could not be drawn."""
        pictures = [*(mask.picture for mask in self.doubtful), *(o.picture for o in self.overviews)]
        return [picture.missing for picture in pictures if picture.missing]


def make_exhibits(
    folder: Path,
    address: str | None,
    survey: Survey,
    on_drawn: Callable[[], None] = lambda: None,
) -> Exhibits:
    """Read the files that `survey` chose once more, and draw what they hold.

    Args:
        folder: of the results.
        address: where their images are; None where nobody says.
        survey: of the same folder.
        on_drawn: told after each image.

    Raises:
        ReviewError: a file changed since it was surveyed.
    """
    places = list(survey.doubtful)
    chosen = set(survey.sample)
    by_image: dict[str, list[Place]] = {file_name: [] for file_name in chosen}
    for place in places:
        by_image.setdefault(place.file_name, []).append(place)
    images = ReviewImages.find(address, by_image)
    doubtful: dict[Place, DoubtfulMask] = {}
    overviews = []
    for file_name, its_places in sorted(by_image.items()):
        path = stored_path(folder, file_name)
        try:
            image = _OpenedImage(read_document(path), images)
            for place in its_places:
                doubtful[place] = _doubtful_mask(image, place.index)
            if file_name in chosen:
                overviews.append(_overview(image))
        except (AnnotationReadError, IndexError) as error:
            raise ReviewError(f"{str(path)!r} changed under way: it {error}") from error
        on_drawn()
    return Exhibits([doubtful[place] for place in places], overviews)


class _OpenedImage:
    """A file's document and the pixels that it describes, RGB, or what became of them."""

    def __init__(self, document: StoredDocument, images: ReviewImages) -> None:
        self.document = document
        self._photo: Image.Image | SsaError
        try:
            self._photo = images.open(document)
        except SsaError as error:
            self._photo = error

    @property
    def photo(self) -> Image.Image:
        """Raises SsaError where it cannot be shown."""
        if isinstance(self._photo, SsaError):
            raise self._photo
        return self._photo


def _doubtful_mask(image: _OpenedImage, index: int) -> DoubtfulMask:
    document = image.document
    label, (area, _) = document.label(index), document.areas(index)
    try:
        mask = document.mask(index)
        if mask is None:
            raise AnnotationReadError(f"annotations[{index}] has no pixel in its runs.")
        picture = Shown(data_uri(draw_crop(image.photo, mask), _CROP_QUALITY))
    except SsaError as error:
        picture = Shown(missing=str(error))
    evidence = evidence_of(document.annotations[index])
    name = document.file_name
    return DoubtfulMask(
        name, index + 1, label.class_name, label.confidence, area, picture, evidence
    )


def _overview(image: _OpenedImage) -> Overview:
    document = image.document
    count = len(document.annotations)
    try:
        drawn, legend = draw_overview(image.photo, document.masks())
    except SsaError as error:
        return Overview(document.file_name, count, Shown(missing=str(error)))
    return Overview(document.file_name, count, Shown(data_uri(drawn, _OVERVIEW_QUALITY)), legend)
