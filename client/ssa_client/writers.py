"""Files that are either whole or not there."""

from __future__ import annotations

import io
import json
import os
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from PIL import Image

_JSON_ENDING = "_semantic.json"
_PICTURE_ENDING = "_semantic.png"
_TEMPORARY_START, _TEMPORARY_ENDING = ".ssa-", ".tmp"


def json_name(name: str) -> str:
    """What the annotation of the image called `name` is called."""
    return f"{name}{_JSON_ENDING}"


def picture_name(name: str) -> str:
    """What the picture of the image called `name` is called."""
    return f"{name}{_PICTURE_ENDING}"


def json_path(out_dir: Path, name: str) -> Path:
    """Where the annotation of the image called `name` goes."""
    return out_dir / json_name(name)


def picture_path(out_dir: Path, name: str) -> Path:
    """Where the picture of the image called `name` goes."""
    return out_dir / picture_name(name)


def is_result(file_name: str) -> bool:
    """Whether a file of that name is an annotation or a picture."""
    return file_name.endswith((_JSON_ENDING, _PICTURE_ENDING))


def is_temporary(file_name: str) -> bool:
    """Whether a file of that name was being written, and is of no use if its writer is gone."""
    return file_name.startswith(_TEMPORARY_START) and file_name.endswith(_TEMPORARY_ENDING)


def write_annotation(path: Path, annotation: Mapping[str, object]) -> None:
    """Write what `to_annotation` returned, as UTF-8 JSON.

    An interrupted write leaves what was there before.
    """
    with replacing(path) as file:
        file.write(annotation_bytes(annotation))


def write_picture(path: Path, picture: Image.Image) -> None:
    """Write `picture` as PNG; an interrupted write leaves what was there before."""
    with replacing(path) as file:
        picture.save(file, "PNG")


def annotation_bytes(annotation: Mapping[str, object]) -> bytes:
    """What `write_annotation` writes."""
    text = json.dumps(annotation, ensure_ascii=False, separators=(",", ":"))
    # What of a file's name is not UTF-8 becomes JSON's own escape, and reads back as it was.
    return text.encode("utf-8", "backslashreplace")


def picture_bytes(picture: Image.Image) -> bytes:
    """What `write_picture` writes."""
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return buffer.getvalue()


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """A file that takes the place of `path` once its whole content is on the disk.

    It is written in the same folder: a rename is atomic only within one file system. The folder is
    brought to the disk as well, for the rename is in there.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # A name of its own, short: that of `path` may be as long as names can be.
    temporary = path.with_name(f"{_TEMPORARY_START}{uuid.uuid4().hex[:12]}{_TEMPORARY_ENDING}")
    try:
        with temporary.open("xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    if os.name != "posix":  # elsewhere a folder cannot be opened, and need not be
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
