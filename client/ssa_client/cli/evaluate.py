"""`ssa evaluate`: mIoU of SSA, and of the segmenter alone, on a data set with truth."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from ssa_client.cli.batch import no_server, progress_bar
from ssa_client.cli.extras import require
from ssa_client.cli.inputs import check_url, parse_settings
from ssa_client.client import DEFAULT_MODEL, DEFAULT_URL, AsyncSsaClient
from ssa_client.exceptions import ServerUnavailableError, SsaError

if TYPE_CHECKING:
    from ssa_client.evaluation.layouts import Dataset, Layout
    from ssa_client.evaluation.prediction import Predict
    from ssa_client.evaluation.runner import Outcome
    from ssa_client.evaluation.server import ServerDescription
    from ssa_client.evaluation.worst import WorstCases

_LISTED_FAILURES = 20  # the report has them all
# A server that restarts is back within seconds; hours of figures should outlive that.
_RETRIES = 6


class DatasetName(str, Enum):
    """The data sets whose folders are known, and any folder of images with labels."""

    ade20k = "ade20k"
    cityscapes = "cityscapes"
    foggy_driving = "foggy-driving"
    custom = "custom"


def evaluate(
    dataset: Annotated[DatasetName, typer.Option(help="Whose folders and classes.")],
    images: Annotated[Path, typer.Option(help="The data set's root, or the folder of its images.")],
    labels: Annotated[
        Path | None,
        typer.Option(help="The folder of its labels, if --images is not the root of both."),
    ] = None,
    given: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Evaluate the NAME_semantic.json files in it instead of asking a server; they "
            "hold SSA's map alone.",
        ),
    ] = None,
    report: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            dir_okay=False,
            writable=True,
            help="Write figures and conditions as JSON.",
        ),
    ] = None,
    page: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", dir_okay=False, writable=True, help="Write the worst cases as HTML."
        ),
    ] = None,
    worst: Annotated[int, typer.Option(min=1, help="With --page: how many cases.")] = 10,
    limit: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="The first N images only.")
    ] = None,
    bgr: Annotated[
        bool,
        typer.Option(
            "--bgr",
            help="Swap red and blue before sending, as the original SSA did: the condition of its "
            "published figures.",
        ),
    ] = False,
    classes_file: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="The classes, one name on a line in the order of their ids. --dataset custom "
            "takes the server's if it is left out.",
        ),
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="A mask setting; repeatable."),
    ] = None,
    model: Annotated[str, typer.Option(help="Pipeline to ask for.")] = DEFAULT_MODEL,
    url: Annotated[str, typer.Option(help="host:port of the server's gRPC.")] = DEFAULT_URL,
    concurrency: Annotated[int, typer.Option(min=1, help="Images under way at a time.")] = 4,
    timeout: Annotated[float, typer.Option(min=0.001, help="Seconds allowed per image.")] = 300.0,
) -> None:
    """Compare what is served, or was stored, with the truth: mIoU, IoU by class, accuracy.

    Folders are read as they are published. mIoU is mmsegmentation's: intersections and unions
    summed over all images, the mean over the classes that occur. Images that fail are left out and
    listed at the end, and the exit code is 1.

        ssa evaluate --dataset cityscapes --images cityscapes/ --report report.json

        ssa evaluate --dataset custom --images photos/ --labels labels/ --page worst.html

        ssa evaluate --dataset ade20k --images ADEChallengeData2016/ --given results/
    """
    parameters = parse_settings(settings or [])
    check_url(url)
    if given and (bgr or settings):
        raise typer.BadParameter("stored results take no --bgr and no --set.", param_hint="--given")
    if page:
        # Before the work: figures that took hours should find their page.
        with require("report"):
            import ssa_client._page  # noqa: F401
    from ssa_client.evaluation.report import to_json, to_table, write_report
    from ssa_client.evaluation.worst import WorstCases, write_page

    console = Console(stderr=True)
    worst_cases = WorstCases(worst) if page else None
    try:
        # Before the work: figures that took hours should find their place.
        for file in filter(None, (report, page)):
            file.parent.mkdir(parents=True, exist_ok=True)
        found = _find(dataset.value, images, labels or images, classes_file, limit)
        if given:
            server = None
            outcome = _evaluate_stored(given, found, concurrency, worst_cases, console)
        else:
            server, outcome = _evaluate_served(
                AsyncSsaClient(url, model, timeout_s=timeout, retries=_RETRIES),
                *(found, parameters, bgr, concurrency, worst_cases, console),
            )
        if outcome.images:
            Console().print(to_table(found, outcome))
        if report:
            conditions = {
                "channels": "bgr" if bgr else "rgb",
                "settings": parameters,
                "images": str(images),
                "labels": str(labels or images),
                "given": str(given) if given else None,
                "limit": limit,
            }
            write_report(report, to_json(found, outcome, server, conditions))
        if page and worst_cases:
            title = f"{dataset.value}, {outcome.images} images"
            write_page(page, title, worst_cases.cases, outcome.names)
    except (SsaError, OSError) as error:
        message = no_server(url, error) if isinstance(error, ServerUnavailableError) else error
        console.print(Text.assemble(("ssa evaluate: ", "red"), str(message)), soft_wrap=True)
        raise typer.Exit(1) from None
    _say_what_is_missing(console, found, outcome)
    if not outcome.complete:
        raise typer.Exit(1)


def _find(
    dataset: str, images: Path, labels: Path, classes_file: Path | None, limit: int | None
) -> Dataset:
    """The images to evaluate, with the classes that the user gave in place of the data set's."""
    from dataclasses import replace

    from ssa_client.evaluation.classes import read_classes
    from ssa_client.evaluation.layouts import LAYOUTS, find_samples

    layout: Layout = LAYOUTS[dataset]
    if classes_file:
        layout = replace(layout, classes=read_classes(classes_file))
    found = find_samples(layout, images, labels)
    return replace(found, samples=found.samples[:limit])


def _evaluate_stored(
    folder: Path,
    dataset: Dataset,
    concurrency: int,
    worst: WorstCases | None,
    console: Console,
) -> Outcome:
    from ssa_client.evaluation.errors import ClassesError, LayoutError
    from ssa_client.evaluation.prediction import Stored

    names = dataset.layout.classes
    if names is None:
        raise ClassesError(
            "stored results do not hold all class names; give them with --classes-file."
        )
    if not folder.is_dir():
        raise LayoutError(f"{folder} is no folder; expected one of NAME_semantic.json files.")
    return asyncio.run(_run(dataset, Stored(folder, names), names, concurrency, worst, console))


def _evaluate_served(
    client: AsyncSsaClient,
    dataset: Dataset,
    settings: Mapping[str, Any],
    bgr: bool,
    concurrency: int,
    worst: WorstCases | None,
    console: Console,
) -> tuple[ServerDescription, Outcome]:
    from ssa_client.evaluation.classes import require_same_classes
    from ssa_client.evaluation.prediction import Served
    from ssa_client.evaluation.server import describe_server

    server = describe_server(client.url, client.model)
    names = server.labels
    if dataset.layout.classes is not None:
        require_same_classes(dataset.layout.classes, names, f"{client.model!r} at {client.url}")

    async def run() -> Outcome:
        async with client:
            predict = Served(client, names, settings, bgr=bgr)
            return await _run(dataset, predict, names, concurrency, worst, console)

    return server, asyncio.run(run())


async def _run(
    dataset: Dataset,
    predict: Predict,
    names: tuple[str, ...],
    concurrency: int,
    worst: WorstCases | None,
    console: Console,
) -> Outcome:
    """The evaluation, under a progress bar."""
    from ssa_client.evaluation.runner import evaluate as evaluate_dataset

    with progress_bar(console) as progress:
        task = progress.add_task("", total=len(dataset.samples))
        return await evaluate_dataset(
            dataset,
            predict,
            names,
            concurrency=concurrency,
            worst=worst,
            on_done=lambda sample: progress.update(
                task, advance=1, description=escape(sample.name)
            ),
        )


def _say_what_is_missing(console: Console, dataset: Dataset, outcome: Outcome) -> None:
    """Every reason for which the figures are over fewer images than the data set has."""
    if dataset.missing_parts:
        parts = ", ".join(dataset.missing_parts)
        console.print(f"Not there, and not in the figures: {escape(parts)}.")
    if outcome.failures:
        failed = f"{len(outcome.failures)} failed and are not in the figures"
        table = Table("image", "why", title=failed, title_style="red")
        for failure in outcome.failures[:_LISTED_FAILURES]:
            table.add_row(Text(failure.name, overflow="fold"), Text(failure.reason))
        left = len(outcome.failures) - _LISTED_FAILURES
        if left > 0:
            table.add_row("...", f"and {left} more; --report lists them all.")
        console.print(table)
    if outcome.stopped_by:
        reason = escape(str(outcome.stopped_by))
        console.print(f"Stopped: {reason} Images left: {outcome.not_tried}.", soft_wrap=True)
