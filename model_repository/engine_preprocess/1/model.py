"""Triton's way in: the step itself is ssa_backend/steps/engine_preprocess.py."""

from ssa_backend.steps.engine_preprocess import TritonPythonModel

__all__ = ["TritonPythonModel"]
