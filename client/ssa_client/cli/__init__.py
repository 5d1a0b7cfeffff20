"""The `ssa` command. Each subcommand has a module of its own and imports what it needs when run."""

from __future__ import annotations

from typing import Annotated

import typer

from ssa_client import __version__
from ssa_client.cli.annotate import annotate
from ssa_client.cli.bench import bench
from ssa_client.cli.convert import convert
from ssa_client.cli.evaluate import evaluate
from ssa_client.cli.export import export
from ssa_client.cli.report import report
from ssa_client.cli.scenes import scenes
from ssa_client.cli.segment import segment
from ssa_client.cli.serve import serve

app = typer.Typer(
    name="ssa",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"]},
    # A traceback is for reporting a bug; Python's own is what people know how to paste.
    pretty_exceptions_enable=False,
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"ssa-triton {__version__}")
        raise typer.Exit


@app.callback()
def ssa(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version and exit."
        ),
    ] = False,
) -> None:
    """Every segment of an image as a mask with a class name, from a Triton server.

    Start a server in one terminal, then ask it in another:

        ssa serve

        ssa segment street.jpg --out output --save-img

        ssa annotate photos/ --out output
    """


app.command()(serve)
app.command()(segment)
app.command()(annotate)
app.command()(report)
app.command()(evaluate)
app.command()(bench)
app.command()(convert)
app.command()(export)
app.command()(scenes)
