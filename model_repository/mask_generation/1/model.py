"""Triton's way in: the step itself is ssa_backend/steps/mask_generation.py."""

from ssa_backend.steps.mask_generation import TritonPythonModel

__all__ = ["TritonPythonModel"]
