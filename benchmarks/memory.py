"""Resident memory at most, as Linux counts it."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")


def peak_mb(pid: int | str, field: str = "VmHWM") -> float:
    """The high-water mark of a process's resident memory, or another field of its status.

    psutil has only the present one.
    """
    lines = Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith(field))) / 1024


def growth_mb(run: Callable[[], T]) -> tuple[T, float]:
    """What `run` returns, and how much more memory this process had meanwhile than before."""
    # Memory that was freed but kept would hide what is taken from it.
    ctypes.CDLL("libc.so.6").malloc_trim(0)
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # forget the mark so far
    before = peak_mb("self", "VmRSS")
    result = run()
    return result, peak_mb("self") - before
