"""Subcommands that need more than the client say what to install."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import typer

EXIT_MISSING_EXTRA = 2


@contextmanager
def require(extra: str) -> Iterator[None]:
    """Turn an ImportError inside the block into one line that names the extra, and exit code 2."""
    try:
        yield
    except ImportError as error:
        typer.echo(
            f"this needs the {extra!r} extra: pip install 'ssa-triton[{extra}]' ({error})", err=True
        )
        raise typer.Exit(EXIT_MISSING_EXTRA) from error
