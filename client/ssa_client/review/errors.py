"""What keeps a report from being made.

SsaError
 └── ReviewError   there is no such folder, it has no results, or it cannot be read
"""

from __future__ import annotations

from ssa_client.exceptions import SsaError


class ReviewError(SsaError):
    """There is nothing to report on."""
