"""What can go wrong in an export, each with one sentence for the person who started it.

ExportError
├── CheckpointError      a source that is missing, broken or of another architecture
├── ParityError          an export that does not compute what its source computes
├── DestinationError     a folder that must not be overwritten
├── CalibrationError     pictures that 8 bits cannot be calibrated with
└── MissingToolError     TensorRT, polygraphy or OpenVINO is not installed
"""


class ExportError(Exception):
    """An export that cannot be finished; nothing was left at its destination."""


class CheckpointError(ExportError):
    """A source that cannot be exported; the message names it and says what was expected."""


class ParityError(ExportError):
    """An export that is off; the message names model, tensor, what came and what was expected."""


class DestinationError(ExportError):
    """A destination that holds something other than an exported repository."""


class CalibrationError(ExportError):
    """A folder or a file in it that holds no picture; the message names it."""


class MissingToolError(ExportError):
    """A tool that this export needs is not installed; the message says how to get it."""
