"""A folder of results as one data set: its files, its categories, and its images one by one."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from ssa_client.exceptions import AnnotationReadError
from ssa_client.formats.stored import StoredImage, StoredMask, read_stored
from ssa_client.writers import json_path

_SUFFIX = json_path(Path(), "").name


@dataclass(frozen=True)
class Categories:
    """What the classes of a data set are called.

    `names` are by id, ascending: the segmenter's ids in the closed set, where only those that occur
    are known; the engine's names in sorted order, counted from 1.
    """

    names: dict[int, str]
    closed_set: bool

    def __post_init__(self) -> None:
        # Looked up for every mask.
        object.__setattr__(self, "_ids", {name: id_ for id_, name in self.names.items()})

    def id_of(self, mask: StoredMask) -> int:
        """The category of `mask`."""
        if mask.class_id is not None:
            return mask.class_id
        ids: dict[str, int] = self._ids  # type: ignore[attr-defined]
        return ids[mask.class_name]


@dataclass(frozen=True)
class Dataset:
    """The readable files of a folder; iterating reads them one at a time."""

    paths: list[Path]
    categories: Categories
    on_read: Callable[[StoredImage], None] = lambda _image: None

    def __len__(self) -> int:
        return len(self.paths)

    def __iter__(self) -> Iterator[StoredImage]:
        """The images, by file name.

        Raises:
            AnnotationReadError: a file changed since it was checked.
        """
        for path in self.paths:
            try:
                image = read_stored(path)
            except AnnotationReadError as error:
                raise AnnotationReadError(f"{path} changed under way: it {error}") from error
            yield image
            self.on_read(image)


def find_stored(folder: Path) -> list[Path]:
    """The `<name>_semantic.json` files directly in `folder`, sorted."""
    return [folder / name for name in sorted(stored_names(folder))]


def stored_names(folder: Path) -> Iterator[str]:
    """The names of those files as the system lists them: no list of them is held.

    Raises:
        OSError: the folder cannot be read.
    """
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.endswith(_SUFFIX) and entry.is_file():
                yield entry.name


class Survey:
    """Checks files one by one and gathers what they have in common.

    Categories are known only when all files have been seen, so a conversion reads them twice.

    Args:
        images: the folder in which each file's image must lie, if they are needed.
    """

    def __init__(self, images: Path | None = None) -> None:
        self._images = images
        self._paths: list[Path] = []
        self._names: dict[int, str] = {}  # of the closed set
        self._free_names: set[str] = set()
        self._closed_set: bool | None = None

    def add(self, path: Path) -> None:
        """Take a file into the data set.

        Raises:
            AnnotationReadError: it is broken, foreign, does not fit those before it, or its image
                is missing.
        """
        image = read_stored(path)
        if self._images is not None and not (self._images / image.file_name).is_file():
            raise AnnotationReadError(f"its image {image.file_name!r} is not in {self._images}.")
        if self._closed_set not in (None, image.closed_set):
            raise AnnotationReadError(
                "is of the other pipeline than the files before it; expected one folder for the "
                "closed set's results and another for the engine's."
            )
        if image.closed_set:
            self._names.update(self._new_names(image))
        else:
            self._free_names.update(mask.class_name for mask in image.masks)
        self._closed_set = image.closed_set
        self._paths.append(path)

    def _new_names(self, image: StoredImage) -> dict[int, str]:
        names: dict[int, str] = {}
        for mask in image.masks:
            assert mask.class_id is not None
            known = self._names.get(mask.class_id) or names.setdefault(
                mask.class_id, mask.class_name
            )
            if known != mask.class_name:
                raise AnnotationReadError(
                    f"calls class {mask.class_id} {mask.class_name!r}, a file before it {known!r}; "
                    "expected results of one segmenter."
                )
        return names

    def dataset(self) -> Dataset:
        """All that was added."""
        if self._closed_set:
            names = dict(sorted(self._names.items()))
        else:
            names = dict(enumerate(sorted(self._free_names), start=1))
        return Dataset(self._paths, Categories(names, bool(self._closed_set)))
