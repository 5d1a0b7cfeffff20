"""Ends a Python stub that stood still, before it answers out of turn.

Triton gives a request up when its stub shows no sign of life for a second by the wall clock, as
when a virtual machine is paused. The stub knows nothing of that. Its late answer goes to the next
request, that one's to the next but one, and so on; or it takes Triton's farewell to the old request
for a new one, and dies. Seen with 2.51. Wrong answers are worse than none: such a stub ends itself.

The embedded server then starts everything again. Elsewhere nobody would, so it is off there.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

# Set by whoever restarts stubs that end.
VARIABLE = "SSA_END_STALLED_STUBS"
# The stub gives a sign of life every 0.3 s and Triton waits a second for one: to miss it the stub
# has to stand still for the rest.
LIMIT_S = 0.7
_LOOKS_EVERY_S = 0.1


class StallGuard:
    """Notices that the process stood still while it answered.

    It looks at the clock every now and then; that it could not for long is what it notices. The
    process may stand still while it has nothing to answer.
    """

    def __init__(self, on_stall: Callable[[float], None]) -> None:
        """`on_stall` gets the seconds that went unseen."""
        self._on_stall = on_stall
        self._seen = time.time()
        self._inside = False
        # Also for a moment after `leave`, when Triton's part of the stub sends the answers.
        self._answering = False

    def look(self) -> None:
        """Safe to be called from several threads: the first one after a stall sees it."""
        # The wall clock, as Triton's deadlines are: one that is put forward ends them too.
        now = time.time()
        unseen_s, self._seen = now - self._seen, now
        if unseen_s > LIMIT_S and (self._inside or self._answering):
            self._on_stall(unseen_s)

    def enter(self) -> None:
        """Requests came."""
        self.look()
        self._inside = self._answering = True

    def leave(self) -> None:
        """Their answers are about to be sent."""
        self.look()
        self._inside = False

    def tick(self) -> None:
        """Look, some time after whatever came before."""
        self.look()
        self._answering = self._inside

    def keep_looking(self) -> None:
        """Tick for ever, from a thread of its own."""

        def run() -> None:
            while True:
                time.sleep(_LOOKS_EVERY_S)
                self.tick()

        threading.Thread(target=run, name="stall-guard", daemon=True).start()


_guard: StallGuard | None = None


@contextmanager
def in_turn() -> Iterator[None]:
    """Around each `execute` of a stub: its answers leave it only if it did not stand still."""
    global _guard
    if VARIABLE not in os.environ:
        yield
    elif _guard is None:
        # The first call may import and compile for long, and hold Python's lock meanwhile.
        yield
        _guard = StallGuard(_end)
        _guard.keep_looking()
    else:
        _guard.enter()
        yield
        _guard.leave()


def _end(unseen_s: float) -> None:
    print(f"stood still for {unseen_s:.1f} s: ending, not to answer out of turn", file=sys.stderr)
    sys.stderr.flush()
    os._exit(1)
