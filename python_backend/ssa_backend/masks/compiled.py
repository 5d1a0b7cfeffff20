"""Loops that Numba compiles, and keeps compiled on disk."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function, compiled when it is first called; it runs without the interpreter's lock."""
    try:
        return numba.njit(nogil=True, cache=True)(function)  # type: ignore[no-any-return]
    except RuntimeError:  # there is nowhere to keep it: a read-only installation without a home
        return numba.njit(nogil=True)(function)  # type: ignore[no-any-return]
