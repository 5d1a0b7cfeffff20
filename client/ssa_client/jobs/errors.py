"""What ends a job before all of its images were tried; nothing that was done is lost.

SsaError
 └── JobError
      ├── JobFolderError     the folder cannot be read or written: full, read-only, not a folder
      ├── JobRunningError    another process works on the folder
      ├── JobDiffersError    the folder, or the server, is another job's
      ├── ServerGoneError    the server went away for longer than the job waits
      └── TooManyFailures    as many images failed as `--max-failures` allows
"""

from __future__ import annotations

from ssa_client.exceptions import SsaError


class JobError(SsaError):
    """Base of what ends a job early."""


class JobFolderError(JobError):
    """The job's folder cannot be read or written."""

    @classmethod
    def of(cls, folder: object, error: OSError) -> JobFolderError:
        """The error with what the system says of it, and what that means for the job."""
        reason = error.strerror or str(error) or type(error).__name__
        return cls(
            f"cannot write to {str(folder)!r}: {reason}. What is done is kept; put that right and "
            "run the same command again."
        )


class JobRunningError(JobError):
    """Another process works on the folder."""


class JobDiffersError(JobError):
    """What the job is differs from what the folder was begun with."""


class ServerGoneError(JobError):
    """The server did not come back in time."""


class TooManyFailures(JobError):  # noqa: N818  # it is no error of the program's
    """So many images failed that the job is taken to be hopeless."""
