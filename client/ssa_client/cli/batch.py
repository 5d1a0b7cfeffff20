"""What the commands that work through many images share: what became of each, and progress."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.table import Table
from rich.text import Text

from ssa_client.cli.inputs import Failure

# The rate and the time left are averages over so long, seconds: an image may take half a minute.
_RATE_OVER_S = 300.0


@dataclass
class Batch:
    """One invocation: what was asked for, and what became of it.

    `done` says in a word what is done to an image, such as "segmented".
    """

    out: Path
    done: str
    failures: list[Failure]
    images: int = field(default=0, init=False)
    masks: int = field(default=0, init=False)
    left: int = field(default=0, init=False)
    stopped_by: str = field(default="", init=False)
    console: Console = field(default_factory=lambda: Console(stderr=True), init=False)

    def succeeded(self, masks: int) -> None:
        """Count an image whose files are written."""
        self.images += 1
        self.masks += masks

    def report(self) -> None:
        """Say what was written and, as a table, what failed and why."""
        if self.images:
            typer.echo(f"{self.images} {self.done}, {self.masks} masks, in {self.out}")
        if self.failures:
            self.console.print(failure_table(self.failures, len(self.failures)))
        if self.stopped_by:
            typer.echo(f"{self.stopped_by} Images left: {self.left}.", err=True)

    @property
    def exit_code(self) -> int:
        """0 where everything that was asked for was done."""
        return 1 if self.failures or self.stopped_by else 0


def failure_table(failures: Iterable[Failure], count: int) -> Table:
    """The images of `failures` and why they failed, of `count` in all."""
    table = Table("image", "why", title=f"{count} failed", title_style="red")
    for failure in failures:
        table.add_row(Text(str(failure.path), overflow="fold"), Text(failure.reason))
    return table


def progress_bar(console: Console) -> Progress:
    """A bar with what is done of how much, the rate and the time left."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        _RateColumn(),
        TimeRemainingColumn(),
        console=console,
        speed_estimate_period=_RATE_OVER_S,
        transient=True,
    )


class _RateColumn(ProgressColumn):
    """Images per second, or seconds per image where it takes longer than one."""

    def render(self, task: Task) -> Text:
        rate = task.finished_speed or task.speed
        if not rate:
            return Text("", style="progress.data.speed")
        text = f"{rate:.1f} images/s" if rate >= 1 else f"{1 / rate:.1f} s/image"
        return Text(text, style="progress.data.speed")


def no_server(url: str, error: Exception) -> str:
    """What to do about a server that does not answer."""
    return (
        f"No server is ready at {url}: start one with `ssa serve`, "
        f"or name another with --url ({error})."
    )
