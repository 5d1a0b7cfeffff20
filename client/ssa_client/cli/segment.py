"""`ssa segment`: images to `<name>_semantic.json` and, when asked for, `<name>_semantic.png`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from ssa_client._image import encode_image
from ssa_client.cli.extras import require
from ssa_client.cli.inputs import Failure, ImageFile, find_images, parse_settings
from ssa_client.client import DEFAULT_MODEL, DEFAULT_URL, SsaClient
from ssa_client.exceptions import ModelNotFoundError, ServerUnavailableError, SsaError
from ssa_client.writers import json_path, picture_path, write_annotation, write_picture


def segment(
    images: Annotated[
        list[Path],
        typer.Argument(metavar="IMAGE...", help="Images, or folders whose images are taken."),
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the results.")],
    save_img: Annotated[
        bool, typer.Option("--save-img", help="Also draw NAME_semantic.png.")
    ] = False,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="NAME=VALUE",
            help="A mask setting, such as points_per_side=16 or pred_iou_thresh=0.9; repeatable. "
            "Names are segment-anything's, defaults the server's.",
        ),
    ] = None,
    model: Annotated[str, typer.Option(help="Pipeline to ask for.")] = DEFAULT_MODEL,
    url: Annotated[str, typer.Option(help="host:port of the server's gRPC.")] = DEFAULT_URL,
    timeout: Annotated[float, typer.Option(min=0.001, help="Seconds allowed per image.")] = 300.0,
) -> None:
    """Write every segment of each image, with its class name, to OUT/NAME_semantic.json.

    An image that fails does not stop the others; those that failed are listed at the end and the
    exit code is 1.

        ssa segment street.jpg --out output

        ssa segment photos/ --out output --save-img --set points_per_side=16
    """
    parameters = parse_settings(settings or [])
    if "://" in url:
        raise typer.BadParameter(f"{url!r} is not host:port.", param_hint="--url")
    if save_img:
        with require("draw"):
            import ssa_client.drawing  # noqa: F401  # before the work, not after the first image
    files, failures = find_images(images)
    run = _Run(out, parameters, save_img, failures)
    with SsaClient(url, model, timeout_s=timeout) as client:
        run.process(client, files)
    run.report()
    if run.failures or run.stopped_by:
        raise typer.Exit(1)


@dataclass
class _Run:
    """One invocation: what it does for each image, and what became of them."""

    out: Path
    parameters: dict[str, Any]
    save_img: bool
    failures: list[Failure]
    images: int = field(default=0, init=False)
    masks: int = field(default=0, init=False)
    stopped_by: str = field(default="", init=False)
    not_tried: int = field(default=0, init=False)
    console: Console = field(default_factory=lambda: Console(stderr=True), init=False)

    def process(self, client: SsaClient, files: Sequence[ImageFile]) -> None:
        """Segment each file; ends early only where every other file would fail the same way."""
        with _progress(self.console) as progress:
            task = progress.add_task("", total=len(files))
            for number, file in enumerate(files, start=1):
                progress.update(task, description=escape(file.path.name))
                try:
                    self._one(client, file, number)
                except (ServerUnavailableError, ModelNotFoundError) as error:
                    self.stopped_by = _explain(error, client)
                    self.not_tried = len(files) - number + 1
                    break
                except (SsaError, OSError) as error:
                    self.failures.append(Failure(file.path, str(error)))
                progress.advance(task)

    def _one(self, client: SsaClient, file: ImageFile, image_id: int) -> None:
        # Read once, so that the picture shows what was segmented.
        data = encode_image(file.path)
        result = client.segment(data, **self.parameters)
        annotation = result.to_annotation(file.path.name, image_id)
        write_annotation(json_path(self.out, file.name), annotation)
        if self.save_img:
            write_picture(picture_path(self.out, file.name), result.draw(data))
        self.images += 1
        self.masks += len(result.masks)

    def report(self) -> None:
        """Say what was written and, as a table, what failed and why."""
        if self.images:
            typer.echo(f"{self.images} segmented, {self.masks} masks, in {self.out}")
        if self.failures:
            table = Table("image", "why", title=f"{len(self.failures)} failed", title_style="red")
            for failure in self.failures:
                table.add_row(Text(str(failure.path), overflow="fold"), Text(failure.reason))
            self.console.print(table)
        if self.stopped_by:
            typer.echo(f"{self.stopped_by} Images left: {self.not_tried}.", err=True)


def _progress(console: Console) -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=console,
        transient=True,
    )


def _explain(error: SsaError, client: SsaClient) -> str:
    """`error` with what to do about it."""
    if isinstance(error, ServerUnavailableError):
        return (
            f"No server is ready at {client.url}: start one with `ssa serve`, "
            f"or name another with --url ({error})."
        )
    return f"{client.url} does not serve {client.model!r}; name another with --model ({error})."
