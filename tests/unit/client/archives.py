"""Tar archives as SA-1B has them."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Mapping
from pathlib import Path


def write_tar(path: Path, members: Mapping[str, bytes], format_: int = tarfile.GNU_FORMAT) -> None:
    """An archive at `path` with these files, in that order."""
    with tarfile.open(path, "w", format=format_) as tar:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))


def header_at(path: Path, name: str) -> int:
    """Where the header of a member starts."""
    with tarfile.open(path) as tar:
        return tar.getmember(name).offset
