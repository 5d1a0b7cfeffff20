"""`ssa bench`: how fast a running server is, and where its time goes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import Enum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.text import Text

from ssa_backend import specs
from ssa_client.cli.batch import no_server, progress_bar
from ssa_client.cli.extras import require
from ssa_client.cli.inputs import check_url, images_in, parse_settings
from ssa_client.client import DEFAULT_URL, SsaClient
from ssa_client.exceptions import ServerUnavailableError, SsaError

if TYPE_CHECKING:
    from ssa_client.bench.level import Level
    from ssa_client.bench.load import Ask, Picture
    from ssa_client.evaluation.server import ServerDescription


class Pipeline(str, Enum):
    """What can be asked for with an image alone."""

    ssa = specs.SSA.name
    ssa_engine = specs.SSA_ENGINE.name


def bench(
    images: Annotated[
        list[Path],
        typer.Argument(
            metavar="IMAGE...", help="Images, or folders whose images are taken; sent in turn."
        ),
    ],
    model: Annotated[Pipeline, typer.Option(help="Pipeline to ask for.")] = Pipeline.ssa,
    concurrency: Annotated[
        str, typer.Option(metavar="N,N,...", help="How many requests to keep under way.")
    ] = "1,2,4,8",
    requests: Annotated[
        int, typer.Option(min=1, metavar="N", help="Requests to measure at each concurrency.")
    ] = 20,
    warm_up: Annotated[
        int, typer.Option(min=0, metavar="N", help="Requests before these that do not count.")
    ] = 2,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="A mask setting; repeatable."),
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
    plot: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            dir_okay=False,
            writable=True,
            help="Draw the figures, as .png, .svg or .pdf (extra 'bench').",
        ),
    ] = None,
    url: Annotated[str, typer.Option(help="host:port of the server's gRPC.")] = DEFAULT_URL,
    timeout: Annotated[float, typer.Option(min=0.001, help="Seconds allowed per request.")] = 300.0,
) -> None:
    """Measure a running server: throughput, latency, and what each model takes of it.

    Latency is what a caller of `SsaClient` waits for, files read before. What the models take is
    from Triton's own statistics, which count everybody's requests: measure a server that nobody
    else uses. 20 requests say little of p95 and p99; more --requests say more.

    A request is sent once. Those that fail are counted, the first is shown, and the exit code is 1.

        ssa bench street.jpg

        ssa bench photos/ --concurrency 1,4 --requests 100 --report bench.json --plot bench.png
    """
    parameters = parse_settings(settings or [])
    check_url(url)
    levels_wanted = _parse_concurrency(concurrency, requests)
    if plot:
        _check_plot(plot)
    from ssa_client.bench.report import breakdown_table, level_table, to_json
    from ssa_client.evaluation.report import write_report
    from ssa_client.evaluation.server import describe_server

    console = Console(stderr=True)
    levels: list[Level] = []
    try:
        # Before the work: figures that took long should find their place.
        for file in filter(None, (report, plot)):
            file.parent.mkdir(parents=True, exist_ok=True)
        pictures = _read_pictures(images)
        server = describe_server(url, model.value)
        stopped_by = _measure(
            *(levels, server, pictures, parameters, levels_wanted, requests, warm_up),
            *(timeout, console),
        )
        if levels:
            tables = Console()
            tables.print(level_table(model.value, levels))
            for level in levels:
                if level.breakdown:
                    tables.print(breakdown_table(level.breakdown, level.load.concurrency))
        if report:
            conditions = {
                "settings": parameters,
                "concurrency": levels_wanted,
                "requests": requests,
                "warm_up": warm_up,
                "timeout_s": timeout,
            }
            reason = str(stopped_by) if stopped_by else None
            write_report(report, to_json(server, pictures, levels, conditions, reason))
        if plot and any(level.latency for level in levels):
            from ssa_client.bench.plot import write_plot

            write_plot(plot, f"{model.value} at {url}", levels)
    except (SsaError, OSError) as error:
        _complain(console, url, error)
        raise typer.Exit(1) from None
    _say_what_is_wrong(console, levels)
    if stopped_by:
        _complain(console, url, stopped_by)
    if stopped_by or any(level.load.failures for level in levels):
        raise typer.Exit(1)


def _parse_concurrency(text: str, requests: int) -> list[int]:
    """The numbers of `--concurrency`.

    Raises:
        typer.BadParameter: it is no list of different numbers, or one is more than `requests`.
    """
    numbers = [int(part) if part.strip().isdecimal() else 0 for part in text.split(",")]
    if min(numbers) < 1 or len(set(numbers)) < len(numbers):
        raise typer.BadParameter(
            f"{text!r} is not of different numbers from 1, as 1,2,4.", param_hint="--concurrency"
        )
    if max(numbers) > requests:
        raise typer.BadParameter(
            f"{requests} are too few for {max(numbers)} to be under way.", param_hint="--requests"
        )
    return numbers


def _check_plot(path: Path) -> None:
    """Hold `--plot` to what can be drawn, before the work."""
    with require("bench"):
        from ssa_client.bench.plot import plot_formats
    if path.suffix.lstrip(".").lower() not in plot_formats():
        raise typer.BadParameter(
            f"{path.name!r} does not end as a picture does, such as .png.", param_hint="--plot"
        )


def _read_pictures(paths: Sequence[Path]) -> list[Picture]:
    """The images to send.

    Raises:
        ImageReadError: one is missing or cannot be read.
        typer.BadParameter: a folder has none.
    """
    from ssa_client._image import encode_image
    from ssa_client.bench.load import Picture

    pictures: list[Picture] = []
    for path in paths:
        found = [Picture(file.name, encode_image(file)) for file in images_in(path)]
        if not found:
            raise typer.BadParameter(f"{str(path)!r} has no images.", param_hint="IMAGE...")
        pictures += found
    return pictures


def _measure(
    levels: list[Level],
    server: ServerDescription,
    pictures: Sequence[Picture],
    settings: Mapping[str, Any],
    levels_wanted: Sequence[int],
    requests: int,
    warm_up: int,
    timeout_s: float,
    console: Console,
) -> SsaError | None:
    """Add to `levels` until all are there, or return what stopped it."""
    from ssa_client.bench.level import measure_level

    # Retries would hide a failure in a latency.
    with (
        SsaClient(server.url, timeout_s=timeout_s, retries=0) as client,
        progress_bar(console) as progress,
    ):
        ask = _ask(client, server.model, settings)
        for number in levels_wanted:
            task = progress.add_task(f"{number} under way", total=requests)
            try:
                level = measure_level(
                    *(ask, server, pictures, number, requests, warm_up),
                    on_done=partial(progress.advance, task),
                )
            except SsaError as error:
                return error
            levels.append(level)
            if level.latency is None:
                return SsaError(f"no request succeeded with {number} under way.")
    return None


def _ask(client: SsaClient, model: str, settings: Mapping[str, Any]) -> Ask:
    if model == specs.SSA_ENGINE.name:
        return lambda image: client.label(image, **settings)
    return lambda image: client.segment(image, **settings)


def _say_what_is_wrong(console: Console, levels: Sequence[Level]) -> None:
    """Every reason for which the figures are not those of all requests, and of them alone."""
    for level in levels:
        load = level.load
        if load.failures:
            first = load.failures[0]
            text = (
                f"{load.concurrency} under way: {len(load.failures)} of {load.requests} requests "
                f"failed, and are in no latency. The first, {first.image}: {first.error}"
            )
            console.print(Text(text, style="red"), soft_wrap=True)
        if level.others > 0:
            text = (
                f"{load.concurrency} under way: the server answered {level.others} requests more "
                "than came back here; what its models took is the mean over these too."
            )
            console.print(Text(text), soft_wrap=True)


def _complain(console: Console, url: str, error: Exception) -> None:
    message = no_server(url, error) if isinstance(error, ServerUnavailableError) else str(error)
    console.print(Text.assemble(("ssa bench: ", "red"), message), soft_wrap=True)
