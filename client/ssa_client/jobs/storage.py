"""Where files lie: a flat folder on this machine, or (in `remote`) anywhere that fsspec reaches."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol
from urllib.parse import urlsplit
from urllib.request import url2pathname

from ssa_client.jobs.lock import folder_lock
from ssa_client.writers import is_temporary, replacing

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


def is_url(address: str) -> bool:
    """Whether `address` is a URL rather than a path."""
    return "://" in address


def address_of(text: str) -> str:
    """What a user calls a place, as a path, or as a URL where it is none of this machine's."""
    if text.startswith("file://"):
        return url2pathname(urlsplit(text).path)
    return text.rstrip("/") if is_url(text) else text


def open_storage(address: str) -> Storage:
    """The folder at a path or a URL; whether it is there shows later.

    Raises:
        ImportError: what reaches such a URL is not installed.
        ValueError: it is no such URL.
    """
    if not is_url(address):
        return LocalStorage(Path(address))
    from ssa_client.jobs.remote import RemoteStorage

    return RemoteStorage(address)


@dataclass(frozen=True)
class LocalStorage:
    """A folder on this machine; see `Storage`."""

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

    def existing(self, names: Iterable[str]) -> set[str]:
        """See `Storage`."""
        return {name for name in names if _exists(self.path / name)}

    def version(self, name: str) -> tuple[int, object]:
        """See `Storage`."""
        return _version((self.path / name).stat())

    def open(self, name: str) -> BinaryIO:
        """See `Storage`."""
        return (self.path / name).open("rb")

    def read(self, name: str, offset: int = 0, size: int = -1) -> bytes:
        """See `Storage`."""
        with self.open(name) as file:
            before = os.fstat(file.fileno())
            if offset:
                file.seek(offset)
            data = file.read(size)
            after = os.fstat(file.fileno())
        if _version(before) != _version(after):
            raise FileChangedError
        return data

    def write(self, name: str, content: bytes) -> None:
        """See `Storage`; it is on the disk then."""
        with replacing(self.path / name) as file:
            file.write(content)

    def append(self, name: str, line: bytes) -> None:
        """See `Storage`; it is on the disk then."""
        with (self.path / name).open("ab") as file:
            file.write(line)
            file.flush()
            os.fsync(file.fileno())

    def remove(self, name: str) -> None:
        """See `Storage`."""
        (self.path / name).unlink(missing_ok=True)

    def tidy(self) -> None:
        """See `Storage`."""
        for name in filter(is_temporary, self.names()):
            self.remove(name)

    @contextmanager
    def hold(self, notice: Notice) -> Iterator[None]:
        """See `Storage`; the system lets go when this process ends, however it ends."""
        self.path.mkdir(parents=True, exist_ok=True)
        with folder_lock(self.path):
            self.tidy()
            yield


def _exists(path: Path) -> bool:
    try:
        path.stat()
    except OSError:  # a name too long for the file system is one of the reasons
        return False
    return True


def _version(of: os.stat_result) -> tuple[int, object]:
    return of.st_size, of.st_mtime_ns
