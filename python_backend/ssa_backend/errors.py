"""The one error that means the request is wrong, not the service."""


class InvalidInputError(ValueError):
    """What came cannot be served; the message names the field, what came and what was expected.

    Triton's answer to it is INVALID_ARGUMENT.
    """
