"""Triton's way in: the step itself is ssa_backend/steps/preprocess.py."""

from ssa_backend.steps.preprocess import TritonPythonModel

__all__ = ["TritonPythonModel"]
