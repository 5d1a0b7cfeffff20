"""The Triton server on this machine, without a container."""

from ssa_backend.embedded.errors import EmbeddedServerError
from ssa_backend.embedded.server import EmbeddedServer

__all__ = ["EmbeddedServer", "EmbeddedServerError"]
