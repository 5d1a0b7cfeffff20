"""The images of a job that cannot be done, and why: one JSON object a line, in `_failures.jsonl`.

{"file_name": "street.jpg", "reason": "IMAGE is a damaged [jpeg]."}
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

from ssa_client.writers import replacing

FAILURES_NAME = "_failures.jsonl"


def read_failures(path: Path) -> dict[str, str]:
    """Reasons by file name, the latest of each; none where there is no such file.

    A last line that a crash tore is left out.

    Raises:
        OSError: the file is there and cannot be read.
    """
    reasons: dict[str, str] = {}
    try:
        lines = path.read_bytes().splitlines()
    except FileNotFoundError:
        return reasons
    for line in lines:
        try:
            entry = json.loads(line)
            reasons[entry["file_name"]] = str(entry["reason"])
        except (ValueError, KeyError, TypeError):
            continue
    return reasons


class FailureLog:
    """`_failures.jsonl` while a job is at work: lines are appended, and on the disk at once."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.reasons = read_failures(path)

    def add(self, file_name: str, reason: str) -> None:
        """Append a failure.

        Raises:
            OSError: it cannot be written.
        """
        with self._path.open("ab") as file:
            file.write(_line(file_name, reason))
            file.flush()
            os.fsync(file.fileno())
        self.reasons[file_name] = reason

    def settle(self, done: Callable[[str], bool]) -> None:
        """Leave out the images that are done by now, older reasons, and a torn line.

        Raises:
            OSError: the file cannot be read or written.
        """
        self.reasons = {name: why for name, why in self.reasons.items() if not done(name)}
        content = b"".join(_line(name, why) for name, why in self.reasons.items())
        if not content:
            self._path.unlink(missing_ok=True)
        elif content != self._path.read_bytes():
            with replacing(self._path) as file:
                file.write(content)


def _line(file_name: str, reason: str) -> bytes:
    return (json.dumps({"file_name": file_name, "reason": reason}) + "\n").encode()
