"""Files that are either whole or not there."""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from PIL import Image


def json_path(out_dir: Path, name: str) -> Path:
    """Where the annotation of the image called `name` goes."""
    return out_dir / f"{name}_semantic.json"


def picture_path(out_dir: Path, name: str) -> Path:
    """Where the picture of the image called `name` goes."""
    return out_dir / f"{name}_semantic.png"


def write_annotation(path: Path, annotation: Mapping[str, object]) -> None:
    """Write what `to_annotation` returned, as UTF-8 JSON.

    An interrupted write leaves what was there before.
    """
    text = json.dumps(annotation, ensure_ascii=False, separators=(",", ":"))
    with replacing(path) as file:
        file.write(text.encode("utf-8"))


def write_picture(path: Path, picture: Image.Image) -> None:
    """Write `picture` as PNG; an interrupted write leaves what was there before."""
    with replacing(path) as file:
        picture.save(file, "PNG")


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """A file that takes the place of `path` once its whole content is on the disk.

    It is written in the same folder: a rename is atomic only within one file system.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}")
    try:
        with temporary.open("xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
