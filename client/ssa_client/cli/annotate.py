"""`ssa annotate`: a folder of images, however many, as a job that can be interrupted."""

from __future__ import annotations

import asyncio
from enum import Enum
from itertools import islice
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import Progress

from ssa_backend import specs
from ssa_client.cli.batch import failure_table, no_server, progress_bar
from ssa_client.cli.extras import require
from ssa_client.cli.inputs import Failure, check_url, parse_classes, parse_settings
from ssa_client.client import DEFAULT_URL, AsyncSsaClient
from ssa_client.exceptions import ModelNotFoundError, SsaError
from ssa_client.jobs.errors import JobError, ServerGoneError
from ssa_client.jobs.failures import FAILURES_NAME
from ssa_client.jobs.folder import JobFolder, open_folder
from ssa_client.jobs.images import ImageFolder
from ssa_client.jobs.manifest import Request
from ssa_client.jobs.runner import Runner, Tally
from ssa_client.jobs.server import JobServer
from ssa_client.jobs.work import asking

EXIT_INTERRUPTED = 130  # what a shell calls a program that Ctrl-C ended
_LISTED_FAILURES = 20


class MaskFormat(str, Enum):
    """Where masks come from, if not from SAM."""

    sa1b = "sa1b"


def annotate(
    images: Annotated[
        Path,
        typer.Argument(metavar="DIR", exists=True, file_okay=False, help="A folder of images."),
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the results.")],
    masks: Annotated[
        MaskFormat | None,
        typer.Option(
            help="Name the masks that lie beside the images instead of finding some: 'sa1b' reads "
            "NAME.json, an object with 'annotations' or the bare list."
        ),
    ] = None,
    save_img: Annotated[
        bool, typer.Option("--save-img", help="Also draw NAME_semantic.png.")
    ] = False,
    classes: Annotated[
        str | None,
        typer.Option(
            metavar="A,B,C", help="Choose among these names instead of the engine's own vocabulary."
        ),
    ] = None,
    classes_file: Annotated[
        Path | None, typer.Option(dir_okay=False, help="The same, one name a line, UTF-8.")
    ] = None,
    closed_set: Annotated[
        bool,
        typer.Option(
            "--closed-set",
            help="Ask the closed set's pipeline, `ssa`, instead of the engine; it takes no masks "
            "and no classes.",
        ),
    ] = False,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="NAME=VALUE",
            help="A mask setting, such as points_per_side=16; repeatable. Not with --masks.",
        ),
    ] = None,
    retry_failed: Annotated[
        bool, typer.Option("--retry-failed", help="Try those again that failed in earlier runs.")
    ] = False,
    max_failures: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="Stop when so many images failed in this run."),
    ] = None,
    concurrency: Annotated[int, typer.Option(min=1, help="Requests in flight at once.")] = 4,
    url: Annotated[str, typer.Option(help="host:port of the server's gRPC.")] = DEFAULT_URL,
    timeout: Annotated[
        float, typer.Option(min=0.001, help="Seconds allowed per image, waiting for others too.")
    ] = 300.0,
    wait: Annotated[
        float, typer.Option(min=0, help="Seconds to wait for a server that does not answer.")
    ] = 120.0,
) -> None:
    """Name every mask of every image of a folder, in OUT/NAME_semantic.json.

    Names are open vocabulary and explain themselves: each mask has its caption, CLIP scores,
    CLIPSeg shares and votes, and a confidence to sort by.

    It may be interrupted at any moment: the same command goes on, and does what is missing.
    OUT/_job.json says what the results were made with; other settings or other models need another
    OUT. An image that fails does not stop the others: OUT/_failures.jsonl says why it failed, and
    the exit code is 1.

        ssa annotate photos/ --out output --save-img

        ssa annotate sa1b/ --masks sa1b --out output --classes "car,bicycle,traffic light"
    """
    parameters = parse_settings(settings or [])
    if parameters and masks:
        raise typer.BadParameter("given masks leave nothing to set.", param_hint="--set")
    names = parse_classes(classes, classes_file)
    if closed_set and (masks or names):
        raise typer.BadParameter("it takes no masks and no classes.", param_hint="--closed-set")
    check_url(url)
    if save_img:
        with require("draw"):
            import ssa_client.drawing  # noqa: F401  # before the work, not after the first image
    request = Request(
        images=str(images.resolve()),
        model=_pipeline(masks, closed_set).name,
        settings=parameters,
        classes=names,
        masks=masks.value if masks else None,
    )
    job = _Job(images, out, request, url, Console(stderr=True))
    try:
        job.run(
            pictures=save_img,
            timeout_s=timeout,
            patience_s=wait,
            concurrency=concurrency,
            retry_failed=retry_failed,
            max_failures=max_failures,
        )
    except KeyboardInterrupt:
        job.report("Interrupted.")
        raise typer.Exit(EXIT_INTERRUPTED) from None
    except SsaError as error:
        job.report(job.explain(error))
        raise typer.Exit(1) from None
    job.report("")
    raise typer.Exit(0 if job.complete else 1)


def _pipeline(masks: MaskFormat | None, closed_set: bool) -> specs.Ensemble:
    if closed_set:
        return specs.SSA
    return specs.SSA_ENGINE if masks is None else specs.SSA_ENGINE_MASKS


class _Job:
    """One invocation: the job it works on, and what is said of it."""

    def __init__(
        self, images: Path, out: Path, request: Request, url: str, console: Console
    ) -> None:
        self._images = images
        self._out = out
        self._request = request
        self._url = url
        self._console = console
        self._tally: Tally | None = None

    def run(self, *, pictures: bool, timeout_s: float, patience_s: float, **options: Any) -> None:
        """Do what is missing; `options` are the runner's.

        Raises:
            SsaError: what ended it before.
            KeyboardInterrupt: Ctrl-C; requests under way are cancelled on the server too.
        """
        try:
            images = ImageFolder.survey(self._images)
        except OSError as error:
            raise JobError(f"cannot read the folder of images: {error}.") from error
        if not images.count:
            raise JobError(f"{self._images}: the folder has no images.")
        with (
            open_folder(self._out, pictures=pictures) as folder,
            progress_bar(self._console) as progress,
        ):
            asyncio.run(self._work(images, folder, progress, timeout_s, patience_s, options))

    async def _work(
        self,
        images: ImageFolder,
        folder: JobFolder,
        progress: Progress,
        timeout_s: float,
        patience_s: float,
        options: dict[str, Any],
    ) -> None:
        # Waiting for a server that went away is the job's own: it looks who comes back.
        async with AsyncSsaClient(self._url, timeout_s=timeout_s, retries=0) as client:
            server = JobServer(client, self._request, patience_s, self._notice)
            runner = Runner(
                images,
                folder,
                asking(client, self._request, closed_set=self._request.model == specs.SSA.name),
                server,
                given_masks=self._request.masks is not None,
                **options,
            )
            folder.begin(await server.first_manifest())
            tally = self._tally = runner.tally
            task = progress.add_task("annotating", total=images.count)

            def on_progress() -> None:
                # What earlier runs did says nothing of how fast this one is.
                before = tally.done_before + len(tally.failed_before)
                progress.update(task, total=tally.total - before, completed=tally.settled - before)

            runner.on_progress = on_progress
            await runner.run()

    def _notice(self, text: str) -> None:
        self._console.print(escape(text), soft_wrap=True)

    @property
    def complete(self) -> bool:
        """Whether every image is done."""
        tally = self._tally
        return tally is not None and not (tally.failed or tally.failed_before or tally.left)

    def report(self, stopped_by: str) -> None:
        """Say what was done, what failed and why, and what is left."""
        tally = self._tally
        if tally and (tally.done or tally.done_before):
            before = f"; {tally.done_before} were done before" if tally.done_before else ""
            typer.echo(f"{tally.done} annotated, {tally.masks} masks, in {self._out}{before}")
        if tally and tally.failed:
            listed = islice(tally.failed.items(), _LISTED_FAILURES)
            failures = (Failure(self._images / name, reason) for name, reason in listed)
            self._console.print(failure_table(failures, len(tally.failed)))
            if len(tally.failed) > _LISTED_FAILURES:
                typer.echo(f"All of them are in {self._out / FAILURES_NAME}.", err=True)
        if tally and tally.failed_before:
            typer.echo(
                f"{len(tally.failed_before)} failed in earlier runs and were not tried again "
                f"(--retry-failed); why is in {self._out / FAILURES_NAME}.",
                err=True,
            )
        if stopped_by:
            left = f" Images left: {tally.left}." if tally else ""
            typer.echo(f"{stopped_by}{left}", err=True)

    def explain(self, error: SsaError) -> str:
        """`error` with what to do about it."""
        if isinstance(error, ServerGoneError):
            return no_server(self._url, error)
        if isinstance(error, ModelNotFoundError):
            what = "no closed set" if self._request.model == specs.SSA.name else "no engine"
            return f"{self._url} serves {what}; export one with `ssa export` ({error})."
        return str(error)
