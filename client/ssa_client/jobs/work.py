"""One image of a job: read, asked about, written. Nothing here knows of the other images."""

from __future__ import annotations

import errno
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeAlias

from ssa_client.client import AsyncSsaClient
from ssa_client.exceptions import AnnotationReadError, ImageReadError, SsaError
from ssa_client.jobs.errors import JobFolderError
from ssa_client.jobs.manifest import Request
from ssa_client.jobs.names import base_name, beside, output_name, stable_image_id
from ssa_client.jobs.sources import Source
from ssa_client.jobs.storage import FileChangedError, Storage, StorageGoneError
from ssa_client.label_results import LabelResult
from ssa_client.results import SegmentationResult
from ssa_client.sa1b import Sa1bFile, parse_sa1b
from ssa_client.writers import annotation_bytes, json_name, picture_bytes, picture_name

Result: TypeAlias = SegmentationResult | LabelResult
Ask: TypeAlias = "Callable[[JobImage], Awaitable[Result]]"


@dataclass(frozen=True)
class JobImage:
    """An image as it was read: what is labelled is what the picture shows."""

    file_name: str
    data: bytes
    given: Sa1bFile | None  # the masks beside it, where the job names those

    @property
    def image_id(self) -> int:
        """SA-1B's own, or else one that depends on the file's name alone."""
        if self.given is not None and self.given.image_id is not None:
            return self.given.image_id
        return stable_image_id(self.file_name)


def asking(client: AsyncSsaClient, request: Request, *, closed_set: bool) -> Ask:
    """What sends an image of the job to the server."""
    settings: dict[str, Any] = dict(request.settings)

    async def segment(image: JobImage) -> Result:
        return await client.segment(image.data, **settings)

    async def label(image: JobImage) -> Result:
        masks = None if image.given is None else image.given.annotations
        return await client.label(
            image.data, masks, request.classes, model=request.model, **settings
        )

    return segment if closed_set else label


def read_image(source: Source, name: str, *, masks: bool) -> JobImage:
    """Read an image and, where asked for, the masks beside it.

    Raises:
        ImageReadError: it is gone, cannot be read, or is just being written.
        AnnotationReadError: the same of its masks.
        JobFolderError: the whole source cannot be read.
    """
    given = None
    if masks:
        address = source.at(beside(name))
        with _reading("masks", address, AnnotationReadError):
            content = source.read_beside(name)
        given = parse_sa1b(content, address)
    with _reading("image", source.at(name), ImageReadError):
        return JobImage(base_name(name), source.read(name), given)


@contextmanager
def _reading(what: str, address: str, kind: type[SsaError]) -> Iterator[None]:
    try:
        yield
    except FileChangedError as error:
        raise kind(f"{address!r} changed while it was read; is it still being written?") from error
    except OSError as error:
        why = f"cannot read {what} {address!r}: {error.strerror or type(error).__name__}."
        if isinstance(error, StorageGoneError):
            raise JobFolderError(f"{why} What is done is kept.") from error
        raise kind(why) from error


def write_result(folder: Storage, image: JobImage, result: Result, *, picture: bool) -> None:
    """Write an image's files, the annotation last: where it is, the others are.

    Raises:
        SsaError: this image cannot be drawn, or its name leaves no room for the outputs' endings.
        JobFolderError: nothing can be written, for this image or any other.
    """
    name = output_name(image.file_name)
    annotation = result.to_annotation(image.file_name, image.image_id)
    drawn = result.draw(image.data) if picture else None
    try:
        if drawn is not None:
            folder.write(picture_name(name), picture_bytes(drawn))
        folder.write(json_name(name), annotation_bytes(annotation))
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            raise SsaError(f"{json_name(name)!r} is too long a file name.") from error
        raise JobFolderError.of(folder, error) from error
