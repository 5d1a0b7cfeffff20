"""`ssa annotate`: a folder of images through the engine, several at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import Progress

from ssa_client._image import encode_image
from ssa_client.cli.batch import Batch, no_server, progress_bar
from ssa_client.cli.extras import require
from ssa_client.cli.inputs import (
    Failure,
    ImageFile,
    check_url,
    find_images,
    parse_classes,
    parse_settings,
)
from ssa_client.client import DEFAULT_URL, AsyncSsaClient
from ssa_client.exceptions import ModelNotFoundError, ServerUnavailableError, SsaError
from ssa_client.label_results import LabelResult
from ssa_client.sa1b import Sa1bFile, read_sa1b
from ssa_client.writers import json_path, picture_path, write_annotation, write_picture

# A server that starts again answers within seconds; a long job waits for it, 15 at most.
_RETRIES = 5
EXIT_INTERRUPTED = 130  # what a shell calls a program that Ctrl-C ended


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
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="NAME=VALUE",
            help="A mask setting, such as points_per_side=16; repeatable. Not with --masks.",
        ),
    ] = None,
    concurrency: Annotated[int, typer.Option(min=1, help="Requests in flight at once.")] = 4,
    url: Annotated[str, typer.Option(help="host:port of the server's gRPC.")] = DEFAULT_URL,
    timeout: Annotated[
        float, typer.Option(min=0.001, help="Seconds allowed per image, waiting for others too.")
    ] = 300.0,
) -> None:
    """Name every mask of every image of a folder, in OUT/NAME_semantic.json.

    Names are open vocabulary and explain themselves: each mask has its caption, CLIP scores,
    CLIPSeg shares and votes, and a confidence to sort by. An image that fails does not stop the
    others; those that failed are listed at the end and the exit code is 1.

        ssa annotate photos/ --out output --save-img

        ssa annotate sa1b/ --masks sa1b --out output --classes "car,bicycle,traffic light"
    """
    parameters = parse_settings(settings or [])
    if parameters and masks:
        raise typer.BadParameter("given masks leave nothing to set.", param_hint="--set")
    names = parse_classes(classes, classes_file)
    check_url(url)
    if save_img:
        with require("draw"):
            import ssa_client.drawing  # noqa: F401  # before the work, not after the first image
    files, failures = find_images([images])
    batch = Batch(out, "annotated", failures)
    job = _Job(
        batch,
        files,
        names,
        parameters,
        given_masks=masks is not None,
        save_img=save_img,
        concurrency=concurrency,
        url=url,
        timeout_s=timeout,
    )
    try:
        job.run()
    except KeyboardInterrupt:
        batch.report()
        raise typer.Exit(EXIT_INTERRUPTED) from None
    batch.report()
    raise typer.Exit(batch.exit_code)


@dataclass(frozen=True)
class _Job:
    """`files` through the engine, with `concurrency` workers that share one iterator.

    What is held in memory is that of the images under way, however many there are.
    """

    batch: Batch
    files: Sequence[ImageFile]
    classes: Sequence[str] | None
    parameters: dict[str, Any]
    given_masks: bool
    save_img: bool
    concurrency: int
    url: str
    timeout_s: float

    def run(self) -> None:
        """Work until all is done, or every other image would fail in the same way.

        Raises:
            KeyboardInterrupt: Ctrl-C; requests under way are cancelled on the server too, and no
                file is left half written.
        """
        with progress_bar(self.batch.console) as progress:
            task = progress.add_task("annotating", total=len(self.files))
            try:
                asyncio.run(self._work(progress))
            except KeyboardInterrupt:
                self.batch.stopped_by = "Interrupted."
                raise
            finally:
                self.batch.left = int(progress.tasks[task].remaining or 0)

    async def _work(self, progress: Progress) -> None:
        queue = enumerate(self.files, start=1)
        client = AsyncSsaClient(self.url, timeout_s=self.timeout_s, retries=_RETRIES)
        async with client:
            await asyncio.gather(
                *(self._worker(client, queue, progress) for _ in range(self.concurrency))
            )

    async def _worker(
        self, client: AsyncSsaClient, queue: Iterator[tuple[int, ImageFile]], progress: Progress
    ) -> None:
        for number, file in queue:
            if self.batch.stopped_by:
                return
            try:
                self.batch.succeeded(await self._one(client, file, number))
            except (ServerUnavailableError, ModelNotFoundError) as error:
                self.batch.stopped_by = self._explain(error)
                return
            except (SsaError, OSError) as error:
                self.batch.failures.append(Failure(file.path, str(error)))
            progress.advance(progress.task_ids[0])

    async def _one(self, client: AsyncSsaClient, file: ImageFile, number: int) -> int:
        """Label one image and write its files; the number of its masks."""
        data, given = await asyncio.to_thread(self._read, file)
        masks = None if given is None else given.annotations
        result = await client.label(data, masks, self.classes, **self.parameters)
        image_id = number if given is None or given.image_id is None else given.image_id
        await asyncio.to_thread(self._write, file, data, result, image_id)
        return len(result.masks)

    def _read(self, file: ImageFile) -> tuple[bytes, Sa1bFile | None]:
        given = read_sa1b(file.path.with_suffix(".json")) if self.given_masks else None
        # Read once, so that the picture shows what was labelled.
        return encode_image(file.path), given

    def _write(self, file: ImageFile, data: bytes, result: LabelResult, image_id: int) -> None:
        annotation = result.to_annotation(file.path.name, image_id)
        write_annotation(json_path(self.batch.out, file.name), annotation)
        if self.save_img:
            write_picture(picture_path(self.batch.out, file.name), result.draw(data))

    def _explain(self, error: SsaError) -> str:
        """`error` with what to do about it."""
        if isinstance(error, ServerUnavailableError):
            return no_server(self.url, error)
        return f"{self.url} serves no engine; export one with `ssa export` ({error})."
