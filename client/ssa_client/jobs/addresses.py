"""What users call places: paths of this machine, and URLs of anything that fsspec reaches."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

from ssa_client.jobs.local_storage import LocalStorage
from ssa_client.jobs.storage import Storage


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
