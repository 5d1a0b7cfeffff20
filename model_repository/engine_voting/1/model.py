"""Triton's way in: the step itself is ssa_backend/steps/engine_voting.py."""

from ssa_backend.steps.engine_voting import TritonPythonModel

__all__ = ["TritonPythonModel"]
