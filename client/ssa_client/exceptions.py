"""What can go wrong, as one tree.

SsaError
 ├── ImageReadError           the local image file is missing or cannot be read; nothing was sent
 ├── AnnotationReadError      the local file of masks is missing or not what it should be
 ├── InvalidRequestError      an argument or a setting is not acceptable: correct it and try again
 ├── ModelNotFoundError       the server runs but does not serve that model
 ├── ServerUnavailableError   nobody answers at that address, or the server is not ready
 ├── RequestTimeoutError      no answer within `timeout_s`
 ├── RequestCancelledError    the server gave the request up
 └── ServerError              the server failed, or its answer is not one this client can read
"""

from __future__ import annotations

from tritonclient.utils import InferenceServerException


class SsaError(Exception):
    """Base of everything that this package raises on purpose."""


class ImageReadError(SsaError):
    """The local image file is missing or cannot be read."""


class AnnotationReadError(SsaError):
    """The local file of masks is missing, or is not what it should be."""


class InvalidRequestError(SsaError):
    """An argument or a setting is not acceptable; the message says what was expected."""


class ModelNotFoundError(SsaError):
    """The server does not serve the model that was asked for."""


class ServerUnavailableError(SsaError):
    """No server answers at the address, or it is starting, stopping or full, or lost a process."""


class RequestTimeoutError(SsaError):
    """The answer did not come within the request's time limit."""


class RequestCancelledError(SsaError):
    """The request was cancelled by the other side before it finished."""


class ServerError(SsaError):
    """The server failed on a request that it accepted, or answered with something unreadable."""


_KIND_OF_STATUS: dict[str | None, type[SsaError]] = {
    # tritonclient's own checks raise without a status: the request never left.
    None: InvalidRequestError,
    "StatusCode.INVALID_ARGUMENT": InvalidRequestError,
    "StatusCode.NOT_FOUND": ModelNotFoundError,
    "StatusCode.UNAVAILABLE": ServerUnavailableError,
    "StatusCode.DEADLINE_EXCEEDED": RequestTimeoutError,
    "StatusCode.CANCELLED": RequestCancelledError,
}

# Triton's words where a Python stub has died, or had no processor for a second: an internal error
# to Triton, and over soon, since the server is started again or the stub goes on.
_PROCESS_IS_AWAY = "is not healthy"


def from_triton(error: InferenceServerException) -> SsaError:
    """The member of the tree for a failed call; it carries the server's message whole."""
    status, message = error.status(), error.message() or "no message"
    kind = _KIND_OF_STATUS.get(status, ServerError)
    if kind is ServerError and _PROCESS_IS_AWAY in message:
        kind = ServerUnavailableError
    if kind is ServerError:
        # Which of the many other statuses it was is part of what went wrong.
        message = f"{message} [{str(status).removeprefix('StatusCode.')}]"
    return kind(message)
