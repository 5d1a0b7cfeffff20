"""Becomes the given program, which then ends when the thread that started it does.

Run as a script: `python -I launch.py PARENT_PID PROGRAM ARGUMENT...`. Doing this between fork and
exec of a process with threads would not be safe, so it has a process of its own that the program
takes over.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def main() -> None:
    """Ask the kernel for SIGTERM at the parent's death, then exec."""
    parent, program = int(sys.argv[1]), sys.argv[2:]
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    # The parent may have died before the request; then nobody would ever send the signal.
    if os.getppid() != parent:
        sys.exit("the process that started the server is gone")
    os.execv(program[0], program)


if __name__ == "__main__":
    main()
