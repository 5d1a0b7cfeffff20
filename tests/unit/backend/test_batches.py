"""Batches are even, none is too large, and what they give comes in order."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from ssa_backend.batches import in_batches


@pytest.mark.parametrize("count", [0, 1, 2, 15, 16, 17, 50, 400])
def test_everything_is_worked_on_once_in_even_batches(count: int) -> None:
    things = list(range(count))
    sizes: list[int] = []

    def work(part: slice) -> list[int]:
        sizes.append(len(things[part]))
        return [-thing for thing in things[part]]

    assert in_batches(work, count, 16) == [-thing for thing in things]
    assert len(sizes) == -(-count // 16)
    assert max(sizes, default=0) - min(sizes, default=0) <= 1
    assert max(sizes, default=0) <= 16


def test_as_many_are_worked_on_as_there_are_threads() -> None:
    all_at_once = threading.Barrier(3, timeout=30)

    def work(part: slice) -> list[int]:
        all_at_once.wait()
        return [part.start]

    with ThreadPoolExecutor(3) as threads:
        assert in_batches(work, 3, 1, threads) == [0, 1, 2]


def test_one_batch_is_prepared_while_another_is_worked_on() -> None:
    both = threading.Barrier(2, timeout=30)

    def work(part: slice) -> list[int]:
        both.wait()  # breaks where the batches come one after the other
        return [part.start]

    assert in_batches(work, 4, 1) == [0, 1, 2, 3]


def test_what_a_batch_raises_is_raised() -> None:
    def work(part: slice) -> list[int]:
        raise ValueError(f"batch at {part.start}")

    with pytest.raises(ValueError, match="batch at 0"):
        in_batches(work, 3, 2)
