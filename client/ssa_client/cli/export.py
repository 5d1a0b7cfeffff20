"""`ssa export`: checkpoints to a model repository that Triton serves."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from ssa_client.cli.extras import require
from ssa_export.presets import PRESETS, find_preset

_ENGINE_PART = " of the engine in place of the preset's, a Hub id or a transformers folder"


def export(
    model_repository: Annotated[
        Path,
        typer.Option(help="Folder to write; an exported repository in its place is replaced."),
    ],
    preset: Annotated[
        str,
        typer.Option(help=f"Checkpoints and mask settings by name: {', '.join(PRESETS)}."),
    ] = "mini",
    sam: Annotated[
        str | None,
        typer.Option(
            metavar="SOURCE",
            help="SAM in place of the preset's: a Hub id, a transformers folder or Meta's .pth.",
        ),
    ] = None,
    segmenter: Annotated[
        str | None,
        typer.Option(
            metavar="SOURCE",
            help="Closed set's segmenter in place of the preset's: a Hub id or a folder that "
            "transformers' AutoModelForSemanticSegmentation loads, a OneFormer or a Mask2Former. "
            "Its classes come from its config.",
        ),
    ] = None,
    coco: Annotated[
        str | None, typer.Option(metavar="SOURCE", help=f"COCO segmenter{_ENGINE_PART}.")
    ] = None,
    ade20k: Annotated[
        str | None, typer.Option(metavar="SOURCE", help=f"ADE20K segmenter{_ENGINE_PART}.")
    ] = None,
    blip: Annotated[
        str | None, typer.Option(metavar="SOURCE", help=f"BLIP captioner{_ENGINE_PART}.")
    ] = None,
    clip: Annotated[str | None, typer.Option(metavar="SOURCE", help=f"CLIP{_ENGINE_PART}.")] = None,
    clipseg: Annotated[
        str | None, typer.Option(metavar="SOURCE", help=f"CLIPSeg{_ENGINE_PART}.")
    ] = None,
    tensorrt: Annotated[
        bool, typer.Option("--tensorrt", help="Build TensorRT plans for this machine's GPU.")
    ] = False,
    fp16: Annotated[
        bool, typer.Option("--fp16", help="With --tensorrt: half precision where it is safe.")
    ] = False,
    bf16: Annotated[
        bool,
        typer.Option(
            "--bf16",
            help="SAM in bfloat16 through OpenVINO, for a CPU that has it; its masks differ a "
            "little.",
        ),
    ] = False,
    int8: Annotated[
        bool,
        typer.Option("--int8", help="As --bf16, and its products with weights in 8 bits."),
    ] = False,
    calibration_images: Annotated[
        Path | None,
        typer.Option(
            exists=True,
            file_okay=False,
            help="With --int8: pictures like those it will see, to choose its ranges by. Without "
            "it they are drawn streets.",
        ),
    ] = None,
) -> None:
    """Turn checkpoints into a model repository, each model checked against its source.

    Nothing is written unless every exported model computes what its checkpoint computes.

        ssa export --preset ade20k-b0 --model-repository repository

        ssa export --preset engine-base --clip my-clip/ --model-repository repository

        ssa export --segmenter my-segformer/ --sam sam_vit_b.pth --model-repository repository
    """
    if fp16 and not tensorrt:
        raise typer.BadParameter("it needs --tensorrt.", param_hint="--fp16")
    for name, asked in (("--int8", int8), ("--bf16", bf16)):
        if asked and tensorrt:
            raise typer.BadParameter("it is for the CPU, not with --tensorrt.", param_hint=name)
    if int8 and bf16:
        raise typer.BadParameter("it does not go with --int8.", param_hint="--bf16")
    if calibration_images and not int8:
        raise typer.BadParameter("it needs --int8.", param_hint="--calibration-images")
    with require("export"):
        from transformers.utils import logging

        from ssa_export.errors import ExportError
        from ssa_export.repository import ExportOptions, export_repository
    logging.disable_progress_bar()  # this command shows its own progress
    logging.set_verbosity_error()
    console = Console(stderr=True)
    try:
        sources = {
            "sam": sam,
            "segmenter": segmenter,
            "coco": coco,
            "ade20k": ade20k,
            "blip": blip,
            "clip": clip,
            "clipseg": clipseg,
        }
        chosen = find_preset(preset).swapped(sources)
        with console.status("starting") as status:

            def report(message: str) -> None:
                console.print(f"[green]•[/] {escape(message)}", highlight=False)
                status.update(escape(message))

            options = ExportOptions(
                tensorrt=tensorrt,
                fp16=fp16,
                sam_precision="int8" if int8 else "bf16" if bf16 else "fp32",
                calibration_images=calibration_images,
            )
            export_repository(chosen, model_repository, report, options)
    except ExportError as error:
        console.print(f"[red]ssa export:[/] {escape(str(error))}", highlight=False, soft_wrap=True)
        raise typer.Exit(1) from error
