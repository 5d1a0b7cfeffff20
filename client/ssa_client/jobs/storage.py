"""What a flat folder of files can do, wherever it lies."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from typing import BinaryIO, Protocol

Notice = Callable[[str], None]


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

    def existing(self, names: Iterable[str]) -> set[str]:
        """Those of `names` that are files there."""

    def version(self, name: str) -> tuple[int, object]:
        """The size of a file, and what changes when its content does."""

    def open(self, name: str) -> BinaryIO:
        """A file to read and seek in."""

    def read(self, name: str, offset: int = 0, size: int = -1) -> bytes:
        """The content of a file, or `size` bytes from `offset`, fewer where it ends before.

        Raises:
            FileChangedError: it was written to meanwhile.
        """

    def write(self, name: str, content: bytes) -> None:
        """Make or replace a file: afterwards it is there, whole; until then as it was before."""

    def append(self, name: str, line: bytes) -> None:
        """Lengthen a file by a line, or make it."""

    def remove(self, name: str) -> None:
        """Remove a file, if it is there."""

    def tidy(self) -> None:
        """Clear away what writers left that were killed, when none is at work."""

    def hold(self, notice: Notice) -> AbstractContextManager[None]:
        """Keep other processes out of the folder, made if need be; clear away what they left.

        `notice` is told where that takes time.

        Raises:
            JobRunningError: another process holds it.
        """
