"""One invocation of `ssa annotate`: the job it works on, and what is said of it."""

from __future__ import annotations

import asyncio
from itertools import islice
from typing import Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import Progress

from ssa_backend import specs
from ssa_client.cli.batch import failure_table, no_server, progress_bar
from ssa_client.cli.inputs import Failure
from ssa_client.client import AsyncSsaClient
from ssa_client.exceptions import ModelNotFoundError, SsaError
from ssa_client.jobs.errors import JobError, ServerGoneError
from ssa_client.jobs.failures import FAILURES_NAME
from ssa_client.jobs.folder import JobFolder, open_folder
from ssa_client.jobs.images import JobImages
from ssa_client.jobs.manifest import Request
from ssa_client.jobs.runner import Runner, Tally
from ssa_client.jobs.server import JobServer
from ssa_client.jobs.sources import Source, open_source
from ssa_client.jobs.storage import Storage
from ssa_client.jobs.work import asking

_LISTED_FAILURES = 20


class AnnotateJob:
    """One invocation: the job it works on, and what is said of it."""

    def __init__(
        self, images: str, out: Storage, request: Request, url: str, console: Console
    ) -> None:
        self._address = images
        self._source: Source | None = None
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
            self._source = open_source(self._address)
            images = JobImages.survey(self._source)
        except OSError as error:
            raise JobError(f"cannot read the images: {error}.") from error
        if not images.count:
            raise JobError(f"{self._address}: there are no images.")
        with (
            open_folder(self._out, pictures=pictures, notice=self._notice) as folder,
            progress_bar(self._console) as progress,
        ):
            asyncio.run(self._work(images, folder, progress, timeout_s, patience_s, options))

    async def _work(
        self,
        images: JobImages,
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
        if tally and tally.failed and self._source:
            listed = islice(tally.failed.items(), _LISTED_FAILURES)
            failures = (Failure(self._source.at(name), reason) for name, reason in listed)
            self._console.print(failure_table(failures, len(tally.failed)))
            if len(tally.failed) > _LISTED_FAILURES:
                typer.echo(f"All of them are in {self._out.at(FAILURES_NAME)}.", err=True)
        if tally and tally.failed_before:
            typer.echo(
                f"{len(tally.failed_before)} failed in earlier runs and were not tried again "
                f"(--retry-failed); why is in {self._out.at(FAILURES_NAME)}.",
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
