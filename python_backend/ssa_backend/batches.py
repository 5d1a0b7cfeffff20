"""Some things at a time: memory does not follow their number."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from itertools import pairwise
from typing import TypeVar

T = TypeVar("T")

# While one batch is in a network, which is another process, this one works on the next. The threads
# are kept: such as come and go leave memory behind.
_TWO_AT_A_TIME = ThreadPoolExecutor(2, thread_name_prefix="batches")


def in_batches(
    work: Callable[[slice], list[T]], count: int, most: int, threads: Executor = _TWO_AT_A_TIME
) -> list[T]:
    """What `work` makes of `count` things, in batches that differ by one thing at most.

    Args:
        work: called with a part of `range(count)`, from several threads at a time.
        count: of all.
        most: things of one batch.
        threads: as many batches are worked on at a time.

    Returns:
        What the calls returned, in order, in one list.
    """
    batches = -(-count // most)
    ends = [count * i // batches for i in range(batches + 1)] if batches else [0]
    parts = [slice(start, end) for start, end in pairwise(ends)]
    return [result for results in threads.map(work, parts) for result in results]
