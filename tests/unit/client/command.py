"""Running the `ssa` command inside the test."""

from __future__ import annotations

from typer.testing import CliRunner

from ssa_client.cli import app


class Outcome:
    """What a run printed, with the table's lines and breaks taken out, and its exit code."""

    def __init__(self, *arguments: object) -> None:
        done = CliRunner().invoke(app, [str(argument) for argument in arguments])
        if done.exception and not isinstance(done.exception, SystemExit):
            raise done.exception  # the command would end with a traceback
        self.exit_code = done.exit_code
        self.output = " ".join(done.output.translate(str.maketrans("│┃", "  ")).split())
