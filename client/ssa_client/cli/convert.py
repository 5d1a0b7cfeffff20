"""`ssa convert`: a folder of results in another tool's format."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ssa_client.cli.batch import Batch, progress_bar
from ssa_client.cli.extras import require
from ssa_client.cli.inputs import Failure
from ssa_client.exceptions import AnnotationReadError

if TYPE_CHECKING:
    from ssa_client.formats import Dataset, Format, StoredImage


class FormatName(str, Enum):
    """What can be written; `ssa_client.formats.FORMATS` has the same names."""

    coco = "coco"
    coco_panoptic = "coco-panoptic"
    label_studio = "label-studio"
    cvat = "cvat"
    yolo = "yolo"
    hf = "hf"


def convert(
    results: Annotated[
        Path,
        typer.Argument(
            metavar="DIR", exists=True, file_okay=False, help="A folder of NAME_semantic.json."
        ),
    ],
    to: Annotated[FormatName, typer.Option("--to", help="The format.")],
    out: Annotated[
        Path, typer.Option("--out", "-o", file_okay=False, help="A new folder for what is written.")
    ],
    images: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            exists=True,
            file_okay=False,
            help="The folder of the images. hf wants it; yolo and cvat put the images beside "
            "their labels.",
        ),
    ] = None,
    image_url: Annotated[
        str | None,
        typer.Option(
            metavar="PREFIX",
            help="label-studio: what stands before a file name to load it; the default is that of "
            "its local storage.",
        ),
    ] = None,
) -> None:
    """Write the results of `ssa segment` or `ssa annotate` as COCO, CVAT, YOLO and others.

    coco and coco-panoptic: instances.json; panoptic.json with PNG, smaller masks on top.
    label-studio: tasks.json with predictions to import, label_config.xml. cvat: annotations.xml
    ("CVAT for images 1.1"). yolo: labels, data.yaml. hf: Parquet with images, for
    `datasets.load_dataset`.

    Files that are not as these commands write them are left out and listed at the end, and the exit
    code is 1.

        ssa convert output --to coco --out coco

        ssa convert output --to hf --images photos --out dataset
    """
    from ssa_client.formats import FORMATS, Destination

    format_ = FORMATS[to.value]
    _check(format_, to, out, images, image_url)
    with require("formats"):
        write = format_.load()
    destination = Destination(out, images)
    if image_url is not None:
        destination = replace(destination, image_url=image_url)
    batch = Batch(out, "converted", [])
    try:
        dataset = _survey(results, images, batch)
        if len(dataset):
            with progress_bar(batch.console) as progress:
                task = progress.add_task(f"writing {to.value}", total=len(dataset))

                def count(image: StoredImage) -> None:
                    batch.succeeded(len(image.masks))
                    progress.advance(task)

                write(replace(dataset, on_read=count), destination)
    except (AnnotationReadError, OSError) as error:
        typer.echo(f"ssa convert: {error}; what {out} holds is not complete.", err=True)
        raise typer.Exit(1) from error
    batch.report()
    raise typer.Exit(batch.exit_code)


def _check(
    format_: Format, to: FormatName, out: Path, images: Path | None, image_url: str | None
) -> None:
    """Hold options to each other, before the work.

    Raises:
        typer.BadParameter: they do not fit.
    """
    if format_.needs_images and images is None:
        raise typer.BadParameter(f"{to.value} holds the images too.", param_hint="--images")
    if image_url is not None and to is not FormatName.label_studio:
        raise typer.BadParameter(f"{to.value} has none.", param_hint="--image-url")
    # Files of an earlier conversion would pass for part of this one.
    if out.exists() and any(out.iterdir()):
        raise typer.BadParameter(f"{str(out)!r} is not empty.", param_hint="--out")


def _survey(results: Path, images: Path | None, batch: Batch) -> Dataset:
    """Check every file; those that cannot be converted are among the failures."""
    from ssa_client.formats import Survey, find_stored

    paths: Sequence[Path] = find_stored(results)
    if not paths:
        batch.failures.append(Failure(results, "the folder has no NAME_semantic.json."))
    survey = Survey(images)
    with progress_bar(batch.console) as progress:
        for path in progress.track(paths, description="reading"):
            try:
                survey.add(path)
            except AnnotationReadError as error:
                batch.failures.append(Failure(path, str(error)))
    return survey.dataset()
