"""A folder on this machine."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from ssa_client.jobs.lock import folder_lock
from ssa_client.jobs.storage import FileChangedError, Notice
from ssa_client.writers import is_temporary, replacing


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
