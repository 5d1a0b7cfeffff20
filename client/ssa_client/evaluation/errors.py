"""What can go wrong in an evaluation.

SsaError
 └── EvaluationError
      ├── LayoutError     the folders are not laid out as the data set is published
      ├── ClassesError    the classes are not those of the data set; no image can be counted
      └── SampleError     one image, its truth or its stored result cannot be used
"""

from __future__ import annotations

from ssa_client.exceptions import SsaError


class EvaluationError(SsaError):
    """Base of what this package raises on purpose."""


class LayoutError(EvaluationError):
    """A folder is not laid out as the data set is published."""


class ClassesError(EvaluationError):
    """What was predicted has other classes than the data set."""


class SampleError(EvaluationError):
    """One image, its truth or its stored result cannot be used; the others can."""
