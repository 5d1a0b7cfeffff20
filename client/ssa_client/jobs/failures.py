"""The images of a job that cannot be done, and why: one JSON object a line, in `_failures.jsonl`.

{"file_name": "street.jpg", "reason": "IMAGE is a damaged [jpeg]."}
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from ssa_client.jobs.local_storage import LocalStorage
from ssa_client.jobs.storage import Storage

FAILURES_NAME = "_failures.jsonl"


def read_failures(path: Path) -> dict[str, str]:
    """Reasons by file name, the latest of each; none where there is no such file.

    A last line that a crash tore is left out.

    Raises:
        OSError: the file is there and cannot be read.
    """
    return _parse(_content(LocalStorage(path.parent), path.name))


def _content(storage: Storage, name: str) -> bytes:
    try:
        return storage.read(name)
    except FileNotFoundError:
        return b""


def _parse(content: bytes) -> dict[str, str]:
    reasons: dict[str, str] = {}
    for line in content.splitlines():
        try:
            entry = json.loads(line)
            reasons[entry["file_name"]] = str(entry["reason"])
        except (ValueError, KeyError, TypeError):
            continue
    return reasons


class FailureLog:
    """`_failures.jsonl` while a job is at work: lines are appended."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self.reasons = _parse(_content(storage, FAILURES_NAME))

    def add(self, file_name: str, reason: str) -> None:
        """Append a failure.

        Raises:
            OSError: it cannot be written.
        """
        self._storage.append(FAILURES_NAME, _line(file_name, reason))
        self.reasons[file_name] = reason

    def settle(self, done: Callable[[str], bool]) -> None:
        """Leave out the images that are done by now, older reasons, and a torn line.

        Raises:
            OSError: the file cannot be read or written.
        """
        self.reasons = {name: why for name, why in self.reasons.items() if not done(name)}
        content = b"".join(_line(name, why) for name, why in self.reasons.items())
        if not content:
            self._storage.remove(FAILURES_NAME)
        elif content != _content(self._storage, FAILURES_NAME):
            self._storage.write(FAILURES_NAME, content)


def _line(file_name: str, reason: str) -> bytes:
    return (json.dumps({"file_name": file_name, "reason": reason}) + "\n").encode()
