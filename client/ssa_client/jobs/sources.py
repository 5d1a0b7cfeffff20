"""Where a job's images come from: a folder of image files, or (in `tar`) tar archives of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from ssa_client.jobs.addresses import open_storage
from ssa_client.jobs.local_storage import LocalStorage
from ssa_client.jobs.names import beside, is_image
from ssa_client.jobs.storage import Storage
from ssa_client.jobs.tar import TarSource, is_tar


class Source(Protocol):
    """Images by name, each perhaps with a file of masks; `FolderSource` and `TarSource`."""

    def at(self, name: str) -> str:
        """The address of an image, for messages."""

    def names(self) -> Iterator[str]:
        """The names of all images, in no order.

        Raises:
            OSError: they cannot be found out.
        """

    def read(self, name: str) -> bytes:
        """An image's encoded bytes.

        Raises:
            OSError: they cannot be read.
        """

    def read_beside(self, name: str) -> bytes:
        """The JSON with an image's masks, which lies at `beside(name)`.

        Raises:
            OSError: it cannot be read.
        """


@dataclass(frozen=True)
class FolderSource:
    """The image files directly in a folder."""

    storage: Storage

    def at(self, name: str) -> str:
        """See `Source`."""
        return self.storage.at(name)

    def names(self) -> Iterator[str]:
        """See `Source`."""
        return filter(is_image, self.storage.names())

    def read(self, name: str) -> bytes:
        """See `Source`."""
        return self.storage.read(name)

    def read_beside(self, name: str) -> bytes:
        """See `Source`."""
        return self.storage.read(beside(name))


def open_source(address: str) -> Source:
    """The images at a path or a URL: a folder of them, one of tar archives, or one archive.

    A folder that has images is one of images, whatever else lies there.

    Raises:
        OSError: the folder cannot be read.
    """
    storage = open_storage(address)
    if isinstance(storage, LocalStorage):
        path = storage.path
        if is_tar(path.name) and not path.is_dir():
            return TarSource(LocalStorage(path.parent), (path.name,))
    elif is_tar(address):
        parent, _, name = address.rpartition("/")
        return TarSource(open_storage(parent), (name,))
    folder = FolderSource(storage)
    if next(folder.names(), None) is None:
        archives = tuple(sorted(filter(is_tar, storage.names())))
        if archives:
            return TarSource(storage, archives)
    return folder
