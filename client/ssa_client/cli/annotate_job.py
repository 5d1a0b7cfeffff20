"""One invocation of `ssa annotate`: the job it works on, and what is said of it."""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice

import typer
from rich.console import Console
from rich.markup import escape

from ssa_backend import specs
from ssa_client.cli.batch import failure_table, no_server, progress_bar
from ssa_client.cli.inputs import Failure
from ssa_client.exceptions import ModelNotFoundError, SsaError
from ssa_client.jobs.addresses import open_storage
from ssa_client.jobs.errors import JobError, ServerGoneError
from ssa_client.jobs.failures import FAILURES_NAME
from ssa_client.jobs.folder import open_folder
from ssa_client.jobs.images import JobImages
from ssa_client.jobs.local_engine import Engine
from ssa_client.jobs.plan import Plan
from ssa_client.jobs.sources import Source, open_source
from ssa_client.jobs.storage import Notice

_LISTED_FAILURES = 20


class AnnotateJob:
    """One invocation: the job it works on, and what is said of it.

    `out` is what the user calls the folder; `make_engine` makes what does the work.
    """

    def __init__(
        self,
        plan: Plan,
        out: str,
        make_engine: Callable[[Notice, Callable[[], None]], Engine],
        console: Console,
    ) -> None:
        self._plan = plan
        self._out = open_storage(out)
        self._urls = ", ".join(plan.urls)
        self._console = console
        self._progress = progress_bar(console)
        self._task = self._progress.add_task("annotating", total=None, visible=False)
        self._engine = make_engine(self._notice, self._on_progress)
        self._source: Source | None = None

    def run(self) -> None:
        """Do what is missing.

        Raises:
            SsaError: what ended it before.
            KeyboardInterrupt: Ctrl-C; requests under way are cancelled on the server too.
        """
        plan = self._plan
        try:
            self._source = open_source(plan.source)
            images = JobImages.survey(self._source)
        except OSError as error:
            raise JobError(f"cannot read the images: {error}.") from error
        if not images.count:
            raise JobError(f"{plan.source}: there are no images.")
        with (
            open_folder(self._out, pictures=plan.pictures, notice=self._notice) as folder,
            self._progress,
        ):
            self._engine.run(plan, images, folder)

    def _on_progress(self) -> None:
        if tally := self._engine.tally:
            # What earlier runs did says nothing of how fast this one is.
            before = tally.done_before + len(tally.failed_before)
            self._progress.update(
                self._task,
                total=tally.total - before,
                completed=tally.settled - before,
                visible=True,
            )

    def _notice(self, text: str) -> None:
        self._console.print(escape(text), soft_wrap=True)

    @property
    def complete(self) -> bool:
        """Whether every image is done."""
        tally = self._engine.tally
        return tally is not None and not (tally.failed or tally.failed_before or tally.left)

    def report(self, stopped_by: str) -> None:
        """Say what was done, what failed and why, and what is left."""
        tally = self._engine.tally
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
            return no_server(self._urls, error)
        if isinstance(error, ModelNotFoundError):
            what = "no closed set" if self._plan.request.model == specs.SSA.name else "no engine"
            return f"{self._urls} serves {what}; export one with `ssa export` ({error})."
        return str(error)
