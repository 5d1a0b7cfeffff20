"""When a stub that stood still ends."""

from __future__ import annotations

import pytest

from ssa_backend import stalls
from ssa_backend.stalls import LIMIT_S, StallGuard


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = 1000.0

    def time(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(stalls, "time", clock)
    return clock


@pytest.fixture
def seen(clock: Clock) -> list[float]:
    return []


@pytest.fixture
def guard(seen: list[float]) -> StallGuard:
    return StallGuard(seen.append)


def test_a_stall_during_a_request_is_seen_once(
    guard: StallGuard, clock: Clock, seen: list[float]
) -> None:
    guard.enter()
    clock.now += LIMIT_S + 1
    guard.look()
    guard.leave()
    assert seen == [pytest.approx(LIMIT_S + 1)]


def test_a_stall_is_seen_before_the_answer_leaves(
    guard: StallGuard, clock: Clock, seen: list[float]
) -> None:
    guard.enter()
    clock.now += LIMIT_S + 1
    guard.leave()
    assert len(seen) == 1


def test_a_stall_while_the_answer_is_sent_is_seen_before_the_next(
    guard: StallGuard, clock: Clock, seen: list[float]
) -> None:
    guard.enter()
    guard.leave()
    clock.now += LIMIT_S + 1
    guard.enter()
    assert len(seen) == 1


def test_a_long_request_that_is_looked_at_is_none(
    guard: StallGuard, clock: Clock, seen: list[float]
) -> None:
    guard.enter()
    for _ in range(100):
        clock.now += LIMIT_S / 2
        guard.tick()
    guard.leave()
    assert not seen


def test_an_idle_stub_may_stand_still(guard: StallGuard, clock: Clock, seen: list[float]) -> None:
    guard.enter()
    guard.leave()
    guard.tick()
    clock.now += LIMIT_S + 1
    guard.enter()
    assert not seen


def test_it_is_off_where_nobody_asked_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(stalls.VARIABLE, raising=False)
    with stalls.in_turn():
        pass
    assert stalls._guard is None
