"""`ssa scenes`: procedural street scenes with exact labels, in a published data set's layout."""

from __future__ import annotations

import re
from enum import Enum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import track


class Layout(str, Enum):
    """The data sets whose layout scenes can be written in."""

    cityscapes = "cityscapes"
    ade20k = "ade20k"
    sa1b = "sa1b"


def _size_hw(text: str) -> tuple[int, int]:
    match = re.fullmatch(r"(\d+)[xX](\d+)", text)
    if not match:
        raise typer.BadParameter(f"{text!r} is not WIDTHxHEIGHT, such as 640x480.")
    return int(match[2]), int(match[1])


def scenes(
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder to write below.")],
    layout: Annotated[
        Layout,
        typer.Option(help="Whose folders, file names and labels."),
    ] = Layout.cityscapes,
    seed: Annotated[int, typer.Option(min=0, help="The same seed draws the same scenes.")] = 0,
    count: Annotated[int, typer.Option(min=1, help="Number of scenes.")] = 10,
    size: Annotated[str, typer.Option(metavar="WxH", help="Pixels, width first.")] = "640x480",
) -> None:
    """Draw street scenes with exact labels, to try and to test everything without a data set.

    ssa scenes --layout sa1b --seed 7 --count 4 --out scenes

    ssa segment scenes --out output --save-img
    """
    size_hw = _size_hw(size)
    from ssa_export.scenes import write_scenes

    written = write_scenes(layout.value, out, seed, count, size_hw=size_hw)
    for _ in track(written, "drawing", total=count, console=Console(stderr=True), transient=True):
        pass
    typer.echo(f"{count} scenes in {out}")
