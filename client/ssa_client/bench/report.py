"""Levels as tables to read and as JSON to keep."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime, timezone
from typing import Any

from rich.table import Table

from ssa_client import __version__
from ssa_client._image import size_hw_of
from ssa_client.bench.breakdown import Breakdown
from ssa_client.bench.latency import PERCENTILES
from ssa_client.bench.level import Level
from ssa_client.bench.load import Picture
from ssa_client.evaluation.server import ServerDescription


def level_table(model: str, levels: Sequence[Level]) -> Table:
    """A row for each concurrency: throughput, latency, and what of it is not the server's."""
    table = Table(title=f"{model}: latency in ms, by how many requests are under way")
    headings = ("mean", *(f"p{percent}" for percent in PERCENTILES), "server", "transport")
    for heading in ("under way", "requests", "failed", "requests/s", *headings):
        table.add_column(heading, justify="right")
    for level in levels:
        load, latency, breakdown = level.load, level.latency, level.breakdown
        figures: list[float | None] = [None] * (1 + len(PERCENTILES))
        if latency:
            figures = [latency.mean_ms, *latency.percentiles_ms.values()]
        table.add_row(
            *map(str, (load.concurrency, load.requests, len(load.failures))),
            f"{load.throughput:.3g}",
            *map(_ms, figures),
            _ms(breakdown.total_ms if breakdown else None),
            _ms(level.transport_ms),
        )
    return table


def breakdown_table(breakdown: Breakdown, concurrency: int) -> Table:
    """A row for each model of the pipeline; what a step calls stands below it."""
    table = Table("model", title=f"on the server, ms per request, {concurrency} under way")
    for heading in ("calls", "total", "queue", "input", "infer", "output"):
        table.add_column(heading, justify="right")
    for its in breakdown.models:
        table.add_row(
            f"└ {its.model}" if its.called_by else its.model,
            f"{its.calls:.3g}",
            _ms(its.total_ms),
            _ms(its.queue_ms),
            _ms(its.compute_input_ms),
            _ms(its.compute_infer_ms),
            _ms(its.compute_output_ms),
        )
    return table


def _ms(figure: float | None) -> str:
    return "-" if figure is None else f"{figure:.2f}"


def to_json(
    server: ServerDescription,
    pictures: Sequence[Picture],
    levels: Sequence[Level],
    conditions: Mapping[str, Any],
    stopped_by: str | None,
) -> dict[str, Any]:
    """Everything that was measured, and under which conditions.

    Args:
        server: what was measured.
        pictures: what was sent, in turn.
        levels: what came out.
        conditions: what the user chose: settings, requests and so on.
        stopped_by: why levels are missing, if some are.
    """
    return {
        "conditions": dict(conditions),
        "images": [_image(picture) for picture in pictures],
        "server": server.to_json(),
        # Where the server is another machine, nothing is known of that one.
        "client": {
            "version": __version__,
            "cores": os.cpu_count(),
            "machine": platform.machine(),
            "system": f"{platform.system()} {platform.release()}",
            "python": platform.python_version(),
        },
        "finished": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "stopped_by": stopped_by,
        "levels": [_level(level) for level in levels],
    }


def _image(picture: Picture) -> dict[str, Any]:
    size_hw = size_hw_of(picture.data)
    height, width = size_hw or (None, None)
    return {"name": picture.name, "bytes": len(picture.data), "height": height, "width": width}


def _level(level: Level) -> dict[str, Any]:
    load, latency, breakdown = level.load, level.latency, level.breakdown
    return {
        "concurrency": load.concurrency,
        "requests": load.requests,
        "succeeded": len(load.latencies_s),
        "failures": [{"image": f.image, "reason": str(f.error)} for f in load.failures],
        "duration_s": load.duration_s,
        "throughput_per_s": load.throughput,
        "latency_ms": {
            "mean": latency.mean_ms,
            **{f"p{percent}": value for percent, value in latency.percentiles_ms.items()},
        }
        if latency
        else None,
        "latencies_ms": [1000 * latency_s for latency_s in load.latencies_s],
        "transport_ms": level.transport_ms,
        "pipeline": asdict(breakdown) if breakdown else None,
    }
