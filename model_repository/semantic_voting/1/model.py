"""Triton's way in: the step itself is ssa_backend/steps/semantic_voting.py."""

from ssa_backend.steps.semantic_voting import TritonPythonModel

__all__ = ["TritonPythonModel"]
