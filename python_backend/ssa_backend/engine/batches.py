"""Masks some at a time: memory does not follow their number."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import TypeVar

T = TypeVar("T")

# While one batch is in a network, which is another process, the crops of the next are cut.
_AT_A_TIME = 2


def in_batches(work: Callable[[slice], list[T]], count: int, most: int) -> list[T]:
    """What `work` makes of `count` things, in batches that differ by one thing at most.

    Args:
        work: called with a part of `range(count)`, from two threads at a time.
        count: of all.
        most: of one batch.

    Returns:
        What the calls returned, in order, in one list.
    """
    batches = -(-count // most)
    ends = [count * i // batches for i in range(batches + 1)] if batches else [0]
    parts = [slice(start, end) for start, end in pairwise(ends)]
    with ThreadPoolExecutor(_AT_A_TIME) as threads:
        return [result for results in threads.map(work, parts) for result in results]
