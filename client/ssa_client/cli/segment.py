"""`ssa segment`: images to `<name>_semantic.json` and, when asked for, `<name>_semantic.png`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from ssa_client._image import encode_image
from ssa_client.cli.batch import Batch, no_server, progress_bar
from ssa_client.cli.extras import require
from ssa_client.cli.inputs import Failure, ImageFile, check_url, find_images, parse_settings
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
    check_url(url)
    if save_img:
        with require("draw"):
            import ssa_client.drawing  # noqa: F401  # before the work, not after the first image
    files, failures = find_images(images)
    batch = Batch(out, "segmented", failures)
    with SsaClient(url, model, timeout_s=timeout) as client:
        _process(batch, client, files, parameters, save_img)
    batch.report()
    raise typer.Exit(batch.exit_code)


def _process(
    batch: Batch,
    client: SsaClient,
    files: Sequence[ImageFile],
    parameters: Mapping[str, Any],
    save_img: bool,
) -> None:
    """Segment each file; ends early only where every other file would fail the same way."""
    with progress_bar(batch.console) as progress:
        task = progress.add_task("", total=len(files))
        for number, file in enumerate(files, start=1):
            progress.update(task, description=escape(file.path.name))
            try:
                # Read once, so that the picture shows what was segmented.
                data = encode_image(file.path)
                result = client.segment(data, **parameters)
                annotation = result.to_annotation(file.path.name, number)
                write_annotation(json_path(batch.out, file.name), annotation)
                if save_img:
                    write_picture(picture_path(batch.out, file.name), result.draw(data))
                batch.succeeded(len(result.masks))
            except (ServerUnavailableError, ModelNotFoundError) as error:
                batch.stopped_by = _explain(error, client)
                batch.left = len(files) - number + 1
                break
            except (SsaError, OSError) as error:
                batch.failures.append(Failure(file.path, str(error)))
            progress.advance(task)


def _explain(error: SsaError, client: SsaClient) -> str:
    """`error` with what to do about it."""
    if isinstance(error, ServerUnavailableError):
        return no_server(client.url, error)
    return f"{client.url} does not serve {client.model!r}; name another with --model ({error})."
