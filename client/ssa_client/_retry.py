"""When to send a request again, and how long to wait before it."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass, field

from ssa_client.exceptions import RequestTimeoutError, ServerUnavailableError, SsaError

FIRST_WAIT_S = 0.5
LONGEST_WAIT_S = 8.0


@dataclass
class Attempts:
    """One call's budget of time and of retries.

    Only an unavailable server is asked again: inference changes nothing there, so repeating it is
    safe, and the trouble may pass. Every other error would come back the same.
    """

    retries: int
    timeout_s: float
    _failed: int = field(default=0, init=False)
    _deadline: float = field(init=False)

    def __post_init__(self) -> None:
        self._deadline = time.monotonic() + self.timeout_s

    def remaining_s(self) -> float:
        """Seconds that the next attempt may take.

        Raises:
            RequestTimeoutError: none are left.
        """
        remaining_s = self._deadline - time.monotonic()
        if remaining_s <= 0:
            raise RequestTimeoutError(self._no_answer)
        return remaining_s

    def wait_s(self, error: SsaError) -> float:
        """Seconds to wait before trying again after `error`, or `error` raised if that is the end.

        The wait doubles each time and is drawn from its upper half, so that clients which failed
        together do not come back together.
        """
        if isinstance(error, RequestTimeoutError):
            # gRPC's own message does not say how long it was.
            raise RequestTimeoutError(f"{self._no_answer} {error}") from error
        if not isinstance(error, ServerUnavailableError) or self._failed >= self.retries:
            raise error
        wait_s = min(FIRST_WAIT_S * 2.0**self._failed, LONGEST_WAIT_S) * random.uniform(0.5, 1.0)
        if time.monotonic() + wait_s >= self._deadline:
            raise error
        self._failed += 1
        return wait_s

    @property
    def _no_answer(self) -> str:
        return f"no answer within {self.timeout_s:g} s."
