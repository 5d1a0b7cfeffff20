"""Signals that end a command as Ctrl-C does: what is under way is put in order first."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def interrupted_by(*signals: signal.Signals) -> Iterator[None]:
    """Within it, each of `signals` is a Ctrl-C; the handlers before it come back at the end."""

    def interrupt(number: int, _frame: FrameType | None) -> None:
        if number == signal.SIGINT or signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
            raise KeyboardInterrupt
        # Whoever handles that at the moment: asyncio, for one, cancels its tasks in good order.
        signal.raise_signal(signal.SIGINT)

    before = {number: signal.signal(number, interrupt) for number in signals}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
