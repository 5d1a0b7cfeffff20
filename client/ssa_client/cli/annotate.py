"""`ssa annotate`: images, however many, as a job that can be interrupted."""

from __future__ import annotations

import signal
from collections.abc import Callable
from enum import Enum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from ssa_backend import specs
from ssa_client.cli.annotate_job import AnnotateJob
from ssa_client.cli.extras import require
from ssa_client.cli.inputs import (
    check_storage,
    check_url,
    parse_classes,
    parse_settings,
    parse_source,
)
from ssa_client.cli.interrupts import interrupted_by
from ssa_client.client import DEFAULT_URL
from ssa_client.exceptions import SsaError
from ssa_client.jobs.addresses import address_of, is_url
from ssa_client.jobs.local_engine import Engine, LocalEngine
from ssa_client.jobs.manifest import Request
from ssa_client.jobs.plan import Plan
from ssa_client.jobs.storage import Notice

DEFAULT_WORKERS = 2
EXIT_INTERRUPTED = 130  # what a shell calls a program that Ctrl-C ended


class MaskFormat(str, Enum):
    """Where masks come from, if not from SAM."""

    sa1b = "sa1b"


class EngineKind(str, Enum):
    """What does the work."""

    local = "local"
    ray = "ray"


def annotate(
    images: Annotated[
        str,
        typer.Argument(
            metavar="SOURCE",
            help="A folder of images or of .tar archives of them, or one .tar; or its URL.",
        ),
    ],
    out: Annotated[
        str, typer.Option("--out", "-o", help="Folder for the results, or its URL, as s3://...")
    ],
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
    concurrency: Annotated[
        int, typer.Option(min=1, help="Requests in flight at once, of a worker to a server.")
    ] = 4,
    url: Annotated[
        list[str] | None,
        typer.Option(
            help="host:port of a server's gRPC; repeatable: all of them work on it.",
            show_default=DEFAULT_URL,
        ),
    ] = None,
    engine: Annotated[
        EngineKind,
        typer.Option(help="What does the work: this process, or workers on Ray (extra 'ray')."),
    ] = EngineKind.local,
    workers: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help=f"Workers on Ray, {DEFAULT_WORKERS} by default."),
    ] = None,
    ray_address: Annotated[
        str | None,
        typer.Option(
            help="Ray's cluster: an address, or 'local' for one on this machine. By default "
            "RAY_ADDRESS, or a cluster that runs on this machine, or a new one there."
        ),
    ] = None,
    timeout: Annotated[
        float, typer.Option(min=0.001, help="Seconds allowed per image, waiting for others too.")
    ] = 300.0,
    wait: Annotated[
        float, typer.Option(min=0, help="Seconds to wait for a server that does not answer.")
    ] = 120.0,
) -> None:
    """Name every mask of every image of a folder or of tar archives, in OUT/NAME_semantic.json.

    Names are open vocabulary and explain themselves: each mask has its caption, CLIP scores,
    CLIPSeg shares and votes, and a confidence to sort by.

    It may be interrupted at any moment: the same command goes on, and does what is missing.
    OUT/_job.json says what the results were made with; other settings or other models need another
    OUT. An image that fails does not stop the others: OUT/_failures.jsonl says why it failed, and
    the exit code is 1.

        ssa annotate photos/ --out output --save-img

        ssa annotate sa1b/ --masks sa1b --out output --classes "car,bicycle,traffic light"

        ssa annotate sa1b/sa_000000.tar --masks sa1b --out output

        ssa annotate s3://bucket/photos --out s3://bucket/labels

        ssa annotate photos/ --out output --engine ray --workers 8 --url a:8001 --url b:8001
    """
    source, target = parse_source(images), address_of(out)
    check_storage(target, "--out")
    parameters = parse_settings(settings or [])
    if parameters and masks:
        raise typer.BadParameter("given masks leave nothing to set.", param_hint="--set")
    names = parse_classes(classes, classes_file)
    if closed_set and (masks or names):
        raise typer.BadParameter("it takes no masks and no classes.", param_hint="--closed-set")
    urls = tuple(dict.fromkeys(url or [DEFAULT_URL]))
    for one in urls:
        check_url(one)
    if save_img:
        with require("draw"):
            import ssa_client.drawing  # noqa: F401  # before the work, not after the first image
    plan = Plan(
        source=source,
        out=target if is_url(target) else str(Path(target).resolve()),
        request=Request(
            images=source,
            model=_pipeline(masks, closed_set).name,
            settings=parameters,
            classes=names,
            masks=masks.value if masks else None,
        ),
        urls=urls,
        pictures=save_img,
        timeout_s=timeout,
        patience_s=wait,
        concurrency=concurrency,
        retry_failed=retry_failed,
        max_failures=max_failures,
        workers=workers or DEFAULT_WORKERS,
        ray_address=ray_address,
    )
    job = AnnotateJob(plan, target, _engine(engine, workers, ray_address), Console(stderr=True))
    try:
        with interrupted_by(signal.SIGTERM):
            job.run()
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


def _engine(
    kind: EngineKind, workers: int | None, ray_address: str | None
) -> Callable[[Notice, Callable[[], None]], Engine]:
    if kind is EngineKind.local:
        for option, value in (("--workers", workers), ("--ray-address", ray_address)):
            if value is not None:
                raise typer.BadParameter("it goes with --engine ray.", param_hint=option)
        return LocalEngine
    with require("ray"):
        from ssa_client.jobs.ray_engine import RayEngine
    return RayEngine
