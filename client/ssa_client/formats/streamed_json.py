"""A JSON object with long lists, written without holding them."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, Any

from ssa_client.writers import replacing


def dumps(value: object) -> bytes:
    """`value` as compact UTF-8 JSON."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8")


class JsonList:
    """A list that grows in a file."""

    def __init__(self, file: IO[bytes]) -> None:
        self.file = file
        self._empty = True

    def append(self, value: object) -> None:
        """Write one more element."""
        self.file.write((b"" if self._empty else b",\n") + dumps(value))
        self._empty = False


@contextmanager
def json_list(path: Path) -> Iterator[JsonList]:
    """A file that is one list; it appears when it is whole."""
    with replacing(path) as file:
        file.write(b"[")
        yield JsonList(file)
        file.write(b"]\n")


@contextmanager
def json_object(path: Path, head: Mapping[str, Any], *lists: str) -> Iterator[list[JsonList]]:
    """A file with the members `head` and, after them, `lists`, which grow side by side.

    Each list lies in a temporary file in the same folder until the object is put together; it
    appears when it is whole.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        growing = [
            JsonList(stack.enter_context(tempfile.TemporaryFile(dir=path.parent))) for _ in lists
        ]
        yield growing
        with replacing(path) as file:
            file.write(b"{")
            for name, value in head.items():
                file.write(dumps(name) + b":" + dumps(value) + b",\n")
            for i, (name, values) in enumerate(zip(lists, growing, strict=True)):
                file.write((b",\n" if i else b"") + dumps(name) + b":[")
                values.file.seek(0)
                shutil.copyfileobj(values.file, file)
                file.write(b"]")
            file.write(b"}\n")
