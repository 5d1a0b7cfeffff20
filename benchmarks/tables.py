"""Markdown tables of results, their figures as JSON, and what machine they are from."""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"
FIGURES = RESULTS / "bench.json"  # of every part of `make bench`, by its name


def table(columns: Sequence[str] | Mapping[str, str], rows: Iterable[Sequence[Any]]) -> str:
    """A Markdown table; `columns` may name a format for each, and a cell of None stays empty."""
    formats = list(columns.values()) if isinstance(columns, Mapping) else ["{}"] * len(columns)
    cells = (
        ["" if cell is None else form.format(cell) for form, cell in zip(formats, row, strict=True)]
        for row in rows
    )
    lines = [columns, ["---"] * len(columns), *cells]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def records(columns: Iterable[str], rows: Iterable[Sequence[Any]]) -> list[dict[str, Any]]:
    """The rows of a table for programs."""
    return [dict(zip(columns, row, strict=True)) for row in rows]


def machine() -> str:
    """Processor, cores, GPU and date in a line."""
    model = next(
        (
            line.split(":", 1)[1].strip()
            for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
            if line.startswith("model name")
        ),
        platform.processor(),
    )
    cores = len(os.sched_getaffinity(0))
    return f"{model}, {cores} cores, {_gpu()}, {datetime.now(timezone.utc):%Y-%m-%d}."


def _gpu() -> str:
    """Names as the driver gives them."""
    if shutil.which("nvidia-smi") is None:
        return "no GPU"
    command = ["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"]
    found = subprocess.run(command, check=False, capture_output=True, text=True).stdout
    return ", ".join(found.split("\n")[:-1]) or "no GPU"


def write(
    name: str, *paragraphs: str, headlines: Sequence[str] = (), figures: object = None
) -> None:
    """Write `results/<name>.md`, and print it.

    Args:
        name: of the measurement.
        paragraphs: in Markdown, a title first.
        headlines: what it found, in a line or two for the page of all parts of `make bench`.
        figures: what programs may want, for `FIGURES`; None leaves that file as it is.
    """
    text = "\n\n".join(paragraph.strip() for paragraph in paragraphs) + "\n"
    (RESULTS / f"{name}.md").write_text(text, encoding="utf-8")
    if figures is not None:
        known = read_figures()
        known[name] = {"machine": machine(), "headlines": list(headlines), "figures": figures}
        FIGURES.write_text(json.dumps(known, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    print(text)


def read_figures() -> dict[str, Any]:
    """What `write` kept of each part."""
    found: dict[str, Any] = {}
    if FIGURES.exists():
        found = json.loads(FIGURES.read_text(encoding="utf-8"))
    return found
