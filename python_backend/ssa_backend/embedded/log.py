"""Triton's log: kept whole in a file, and shown as lines that a person can read."""

from __future__ import annotations

import os
import re
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Level = Literal["info", "warning", "error"]

_LEVELS: dict[str, Level] = {"I": "info", "W": "warning", "E": "error", "F": "error"}

# I1122 16:13:28.362010 6321 model_lifecycle.cc:472] "loading: a:1"
_LINE = re.compile(r"([IWEF])\d{4} (\d\d:\d\d:\d\d)\.\d+ \d+ [\w.]+:\d+\] ?(.*)")

# Colours, which ONNX Runtime gives its messages.
_ESCAPE = re.compile(r"\x1b\[[\d;]*m")

# Said at every start on a machine without CUDA, where all of it is as it should be.
_NOISE = re.compile(
    "CUDA driver version is insufficient|CudaDriverHelper|CUDA memory pool disabled"
    "|pinned memory pool|NVML|DCGM|libcuda|CUDA-capable device"
)
# The server's tables and housekeeping, of use to nobody who reads along.
_HOUSEKEEPING = re.compile(
    "^[+|]|^loading: |^TRITONBACKEND_|^Signal .15. received"
    "|^Collecting CPU metrics|^Timeout .* in-flight|^Waiting for in-flight|^All models are stopped"
)
_TAIL_LINES = 40


@dataclass(frozen=True)
class LogLine:
    """One message of the server; `time` is HH:MM:SS, empty where a stub printed the text."""

    level: Level
    time: str
    message: str


def parse(line: str) -> LogLine | None:
    """What a line of Triton's log says; None for tables, noise and housekeeping."""
    line = _ESCAPE.sub("", line)
    match = _LINE.match(line)
    # Without Triton's prefix it is what a model printed, or a row of a table.
    letter, clock, text = match.groups() if match else ("I", "", line)
    message = text.strip().removeprefix('"').removesuffix('"').replace("\\n", "\n").strip()
    if not message or _NOISE.search(message) or _HOUSEKEEPING.search(message):
        return None
    return LogLine(_LEVELS[letter], clock, message)


class ServerLog:
    """Writes every line to the file `path` and hands the readable ones to `on_line`.

    With `verbose`, `on_line` gets all of them, as they are.
    """

    def __init__(
        self,
        path: Path,
        on_line: Callable[[LogLine], None] | None = None,
        *,
        verbose: bool = False,
    ) -> None:
        self.path = path
        self._file = path.open("a", encoding="utf-8", buffering=1)
        self._on_line = on_line
        self._verbose = verbose
        self._tail: deque[LogLine] = deque(maxlen=_TAIL_LINES)
        self._lock = threading.Lock()

    def write(self, line: str) -> None:
        """Take one line, without its newline; called from the thread that reads the server."""
        parsed = parse(line)
        with self._lock:
            self._file.write(line + "\n")
            if parsed is not None:
                self._tail.append(parsed)
        shown = LogLine("info", "", line) if self._verbose else parsed
        if shown is not None and self._on_line is not None:
            self._on_line(shown)

    def tail(self) -> str:
        """The last readable lines, the errors alone if there are any."""
        with self._lock:
            lines = list(self._tail)
        errors = [line for line in lines if line.level == "error"]
        return "\n".join(line.message for line in errors or lines)

    def add(self, level: Level, message: str) -> None:
        """Add a message of our own, in Triton's form."""
        now = time.strftime("%m%d %H:%M:%S")
        escaped = message.replace("\n", "\\n")
        self.write(f'{level[0].upper()}{now}.0 {os.getpid()} supervisor.py:0] "{escaped}"')

    def __enter__(self) -> ServerLog:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
