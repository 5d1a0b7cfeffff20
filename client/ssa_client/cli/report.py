"""`ssa report`: one page about a job, for whoever reviews its labels."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.filesize import decimal

from ssa_client.cli.batch import failure_table, progress_bar
from ssa_client.cli.extras import require
from ssa_client.cli.inputs import Failure
from ssa_client.exceptions import SsaError

REPORT_NAME = "_report.html"


def report(
    job: Annotated[
        Path,
        typer.Argument(metavar="DIR", help="A folder that `ssa annotate` or `ssa segment` wrote."),
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            metavar="FILE",
            dir_okay=False,
            help=f"The page; DIR/{REPORT_NAME} if it is left out.",
        ),
    ] = None,
    worst: Annotated[
        int, typer.Option(min=0, metavar="N", help="How many of the most doubtful masks to show.")
    ] = 100,
    pictures: Annotated[
        int,
        typer.Option(min=0, metavar="N", help="How many images to show under all of their masks."),
    ] = 12,
    images: Annotated[
        str | None,
        typer.Option(
            metavar="DIR",
            help="Where the images are, as for `ssa annotate`, if they moved or DIR has no "
            "_job.json.",
        ),
    ] = None,
) -> None:
    """Write one HTML page about a job: counts, confidence, the most doubtful masks, pictures.

    The page needs no other file and no network; its pictures are inside. Results that cannot be
    read are listed there and here, and the exit code is 1. An image that is gone is a note in the
    page.

        ssa report output

        ssa report output --worst 500 --pictures 0 --out doubtful.html
    """
    with require("report"):
        from ssa_client.review.exhibits import make_exhibits
        from ssa_client.review.page import write_report
    from ssa_client.review.facts import read_facts
    from ssa_client.review.survey import survey as read_survey

    console = Console(stderr=True)
    path = out or job / REPORT_NAME
    try:
        facts = read_facts(job)
        with progress_bar(console) as progress:
            reading = progress.add_task("reading", total=None)
            survey = read_survey(
                job,
                worst=worst,
                pictures=pictures,
                on_read=lambda: progress.advance(reading),
            )
            drawing = progress.add_task("drawing", total=None)
            exhibits = make_exhibits(
                job, images or facts.images, survey, lambda: progress.advance(drawing)
            )
        size = write_report(path, job.resolve().name, facts, survey, exhibits)
    except SsaError as error:
        typer.echo(f"ssa report: {error}", err=True)
        raise typer.Exit(1) from error
    except OSError as error:
        typer.echo(f"ssa report: cannot write {str(path)!r}: {error.strerror}.", err=True)
        raise typer.Exit(1) from error
    typer.echo(f"{survey.images} images, {survey.masks} masks: {path}, {decimal(size)}")
    if missing := exhibits.missing:
        more = "the page has every reason, the first is:"
        typer.echo(f"{len(missing)} pictures are missing; {more} {missing[0]}", err=True)
    if survey.broken_files:
        failures = [Failure(job / broken.file, broken.reason) for broken in survey.broken]
        console.print(failure_table(failures, survey.broken_files))
        raise typer.Exit(1)
