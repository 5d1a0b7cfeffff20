"""Images in tar archives, such as SA-1B's shards, read where they lie.

An archive's headers are read once to know where its members are; after that each image is one read
at its offset. Nothing is unpacked.
"""

from __future__ import annotations

import tarfile
import threading
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import BinaryIO, NamedTuple

from ssa_client.jobs.names import beside, is_image
from ssa_client.jobs.storage import FileChangedError, Storage, StorageGoneError

# Indexes held at once, about 5 MB for 22,000 members: images are worked off archive by archive.
_HELD = 4
_REST = "rest of "


def is_tar(file_name: str) -> bool:
    """Whether a file of that name is an archive to look into."""
    return file_name.lower().endswith(".tar")


class Member(NamedTuple):
    """A file in an archive."""

    offset: int
    size: int
    problem: str = ""  # why it cannot be read


@dataclass(frozen=True)
class Index:
    """Images and JSONs of an archive by their paths in it; `broken` says where it ends too early.

    Of two members of one path the later counts, as it does for who unpacks.
    """

    members: dict[str, Member]
    version: tuple[int, object]
    broken: str = ""


def read_index(file: BinaryIO, version: tuple[int, object]) -> Index:
    """Read all headers of an archive of version `version`, as far as it can be read.

    Raises:
        OSError: reading fails; that the content is no whole archive is told in `broken`.
    """
    members: dict[str, Member] = {}
    end = 0
    try:
        with tarfile.open(fileobj=file, mode="r:") as tar:
            while (info := tar.next()) is not None:
                end = tar.offset
                tar.members.clear()  # type: ignore[attr-defined]  # it would keep all of them
                path = info.name.removeprefix("./")
                if not info.isdir() and (is_image(path) or path.endswith(".json")):
                    members[path] = _member(info, version[0])
        file.seek(end)
        mark = file.read(tarfile.BLOCKSIZE)
        # `tarfile` takes anything that is no header for the end.
        why = "" if mark == tarfile.NUL * tarfile.BLOCKSIZE else "it is cut off or damaged"
    except (tarfile.TarError, ValueError, OverflowError) as error:
        why = str(error) or type(error).__name__
    if why and not members and not end:
        return Index({}, version, f"it is no tar archive ({why})")
    broken = f"it cannot be read from byte {min(end, version[0])} on ({why})" if why else ""
    return Index(members, version, broken)


def _member(info: tarfile.TarInfo, archive_size: int) -> Member:
    problem = ""
    if not info.isreg() or info.sparse is not None:
        problem = f"it is no ordinary file in the archive (type {info.type.decode('latin-1')!r})"
    elif info.offset_data + info.size > archive_size:
        problem = "the archive ends inside it"
    return Member(info.offset_data, info.size, problem)


@dataclass(frozen=True)
class TarSource:
    """The images in some archives of one folder; a `Source`.

    An image is called ARCHIVE/PATH. Where an archive ends too early, nobody knows what is missing:
    one more name, ARCHIVE/rest of ARCHIVE, stands for it, and cannot be read.
    """

    storage: Storage
    archives: tuple[str, ...]
    _indexes: OrderedDict[str, Index] = field(default_factory=OrderedDict, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def at(self, name: str) -> str:
        """See `Source`."""
        return self.storage.at(name)

    def names(self) -> Iterator[str]:
        """See `Source`."""
        for archive in self.archives:
            index = self._index(archive)
            for path in index.members:
                if is_image(path):
                    yield f"{archive}/{path}"
            if index.broken:
                yield f"{archive}/{_REST}{archive}"

    def read(self, name: str) -> bytes:
        """See `Source`."""
        archive, _, path = name.partition("/")
        index = self._index(archive)
        if path == f"{_REST}{archive}":
            raise OSError(0, f"{index.broken or 'it was replaced'}; what follows is not done")
        member = index.members.get(path)
        if member is None:
            raise FileNotFoundError(0, "it is not in the archive")
        if member.problem:
            raise OSError(0, member.problem)
        data = self.storage.read(archive, member.offset, member.size)
        if len(data) < member.size or self.storage.version(archive) != index.version:
            raise FileChangedError
        return data

    def read_beside(self, name: str) -> bytes:
        """See `Source`."""
        return self.read(beside(name))

    def _index(self, archive: str) -> Index:
        with self._lock:
            index = self._indexes.pop(archive, None) or self._read_index(archive)
            self._indexes[archive] = index  # the last used comes last
            while len(self._indexes) > _HELD:
                self._indexes.popitem(last=False)
        return index

    def _read_index(self, archive: str) -> Index:
        try:
            version = self.storage.version(archive)
            with self.storage.open(archive) as file:
                return read_index(file, version)
        except StorageGoneError:
            raise
        except OSError as error:
            why = error.strerror or type(error).__name__
            return Index({}, (0, None), f"it cannot be read ({why})")
