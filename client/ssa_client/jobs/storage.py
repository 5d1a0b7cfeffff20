"""Where files lie: a flat folder on this machine, or (in `remote`) anywhere that fsspec reaches."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol


class FileChangedError(OSError):
    """The file changed while it was read."""


class StorageGoneError(OSError):
    """The storage does not answer, or refuses everything: no single file's fault."""


class Storage(Protocol):
    """The files directly in a folder, by name. Every method raises OSError for what fails."""

    def __str__(self) -> str:
        """Its address."""

    def at(self, name: str) -> str:
        """The address of a file, for messages."""

    def names(self) -> Iterator[str]:
        """The names of its files, in no order."""

    def open(self, name: str) -> BinaryIO:
        """A file to read and seek in."""

    def version(self, name: str) -> tuple[int, object]:
        """The size of a file, and what changes when its content does."""

    def read(self, name: str, offset: int = 0, size: int = -1) -> bytes:
        """The content of a file, or `size` bytes from `offset`, fewer where it ends before."""


@dataclass(frozen=True)
class LocalStorage:
    """A folder on this machine."""

    path: Path

    def __str__(self) -> str:
        return str(self.path)

    def at(self, name: str) -> str:
        """See `Storage`."""
        return str(self.path / name)

    def names(self) -> Iterator[str]:
        """See `Storage`; the folder is streamed."""
        with os.scandir(self.path) as entries:
            for entry in entries:
                if entry.is_file():
                    yield entry.name

    def open(self, name: str) -> BinaryIO:
        """See `Storage`."""
        return (self.path / name).open("rb")

    def version(self, name: str) -> tuple[int, object]:
        """See `Storage`."""
        return _version((self.path / name).stat())

    def read(self, name: str, offset: int = 0, size: int = -1) -> bytes:
        """See `Storage`.

        Raises:
            FileChangedError: it was written to meanwhile.
        """
        with self.open(name) as file:
            before = os.fstat(file.fileno())
            if offset:
                file.seek(offset)
            data = file.read(size)
            after = os.fstat(file.fileno())
        if _version(before) != _version(after):
            raise FileChangedError
        return data


def _version(of: os.stat_result) -> tuple[int, object]:
    return of.st_size, of.st_mtime_ns
