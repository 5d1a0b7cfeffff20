"""Folders elsewhere: S3, and whatever else fsspec has a file system for.

What is relied on: a file that is put is there whole or not at all, as object stores have it.
"""

from __future__ import annotations

import errno
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import BinaryIO, cast

from fsspec.core import url_to_fs

from ssa_client.jobs.remote_lock import heartbeat
from ssa_client.jobs.storage import Notice, StorageGoneError

# A file cannot be lengthened there: it is put anew, and not more often than this.
APPEND_EVERY_S = 5.0
# So many files are asked after at once.
_AT_ONCE = 32


class RemoteStorage:
    """A folder, or a prefix, at a URL; see `Storage`. Threads may share it."""

    def __init__(self, url: str) -> None:
        # What others write must be seen, so that nothing is remembered.
        self._files, root = url_to_fs(url, use_listings_cache=False)
        self._root = root.rstrip("/")
        self._url = url.rstrip("/")
        self._appended: dict[str, bytes] = {}
        self._put_at = float("-inf")
        self._taken_over = ""

    def __str__(self) -> str:
        return self._url

    def at(self, name: str) -> str:
        """See `Storage`."""
        return f"{self._url}/{name}"

    def names(self) -> Iterator[str]:
        """See `Storage`; the listing is held as a whole. Without files there is no folder."""
        with _explained(), suppress(FileNotFoundError):
            for entry in self._files.ls(self._root, detail=True):
                name = entry["name"].removeprefix(f"{self._root}/")
                if entry["type"] == "file" and name:
                    yield name

    def existing(self, names: Iterable[str]) -> set[str]:
        """See `Storage`."""
        wanted = list(names)
        with _explained(), ThreadPoolExecutor(_AT_ONCE) as pool:
            found = pool.map(lambda name: self._files.exists(self._path(name)), wanted)
            return {name for name, there in zip(wanted, found, strict=True) if there}

    def version(self, name: str) -> tuple[int, object]:
        """See `Storage`."""
        with _explained():
            about = self._files.info(self._path(name))
        return about["size"], about.get("ETag") or about.get("LastModified") or about.get("created")

    def open(self, name: str) -> BinaryIO:
        """See `Storage`."""
        with _explained():
            return cast(BinaryIO, self._files.open(self._path(name), "rb"))

    def read(self, name: str, offset: int = 0, size: int = -1) -> bytes:
        """See `Storage`; one request, which meets one version of the file."""
        end = None if size < 0 else offset + size
        if end == offset:
            return b""
        with _explained():
            return bytes(self._files.cat_file(self._path(name), start=offset or None, end=end))

    def write(self, name: str, content: bytes) -> None:
        """See `Storage`."""
        if self._taken_over:
            raise OSError(errno.EBUSY, f"{self._taken_over} took it over")
        self._appended.pop(name, None)
        with _explained():
            self._files.pipe_file(self._path(name), content)

    def create(self, name: str, content: bytes) -> bool:
        """See `LockableStorage`."""
        try:
            with _explained():
                self._files.pipe_file(self._path(name), content, mode="create")
        except FileExistsError:
            return False
        return True

    def append(self, name: str, line: bytes) -> None:
        """See `Storage`; it may be `APPEND_EVERY_S`, or until the folder is let go, till then."""
        if name not in self._appended:
            self._appended[name] = self.read(name) if self.existing([name]) else b""
        self._appended[name] += line
        if time.monotonic() - self._put_at >= APPEND_EVERY_S:
            self._put_appended()

    def remove(self, name: str) -> None:
        """See `Storage`."""
        self._appended.pop(name, None)
        with _explained(), suppress(FileNotFoundError):
            self._files.rm_file(self._path(name))

    def tidy(self) -> None:
        """See `Storage`; what was not put whole is not there."""

    @contextmanager
    def hold(self, notice: Notice) -> Iterator[None]:
        """See `Storage` and `remote_lock`."""

        def lost(owner: str) -> None:
            self._taken_over = owner

        with heartbeat(self, notice, lost):
            try:
                yield
            finally:
                # What is not kept of failures is tried again.
                with suppress(OSError):
                    self._put_appended()

    def _put_appended(self) -> None:
        for name, content in list(self._appended.items()):
            self.write(name, content)
            self._appended[name] = content
        self._put_at = time.monotonic()

    def _path(self, name: str) -> str:
        return f"{self._root}/{name}"


@contextmanager
def _explained() -> Iterator[None]:
    """Tell what is one file's fault from what is not, and let each say why in `strerror`."""
    try:
        yield
    except FileNotFoundError as error:
        raise FileNotFoundError(errno.ENOENT, "No such file") from error
    except (FileExistsError, PermissionError, StorageGoneError) as error:
        raise type(error)(error.errno or errno.EACCES, error.strerror or str(error)) from error
    except Exception as error:  # botocore's, aiohttp's and others' are of no common kind
        code = error.errno if isinstance(error, OSError) else None
        if code == errno.ENAMETOOLONG:
            raise
        raise StorageGoneError(code or errno.EIO, str(error) or type(error).__name__) from error
