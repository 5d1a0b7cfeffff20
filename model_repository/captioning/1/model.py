"""Triton's way in: the step itself is ssa_backend/steps/captioning.py."""

from ssa_backend.steps.captioning import TritonPythonModel

__all__ = ["TritonPythonModel"]
