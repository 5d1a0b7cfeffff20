"""The error of the embedded server."""


class EmbeddedServerError(RuntimeError):
    """The server cannot start or was given up; the message says why and what to do."""
