"""Triton's way in: the step itself is ssa_backend/steps/label_decision.py."""

from ssa_backend.steps.label_decision import TritonPythonModel

__all__ = ["TritonPythonModel"]
