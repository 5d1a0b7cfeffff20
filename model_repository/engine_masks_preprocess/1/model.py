"""Triton's way in: the step itself is ssa_backend/steps/engine_masks_preprocess.py."""

from ssa_backend.steps.engine_masks_preprocess import TritonPythonModel

__all__ = ["TritonPythonModel"]
