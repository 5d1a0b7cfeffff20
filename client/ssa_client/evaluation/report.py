"""An evaluation as a table to read and as JSON to keep."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from rich.table import Table

from ssa_client import __version__
from ssa_client.evaluation.confusion import Scores
from ssa_client.evaluation.layouts import Dataset
from ssa_client.evaluation.runner import Outcome
from ssa_client.evaluation.server import ServerDescription


def to_table(dataset: Dataset, outcome: Outcome) -> Table:
    """Figures in percent, a row for each class that the truth or a prediction has."""
    ssa = Scores.of(outcome.ssa)
    branch = None if outcome.branch is None else Scores.of(outcome.branch)
    table = Table("class", title=_title(dataset, outcome))
    for heading in ("branch", "SSA", "SSA - branch") if branch else ("SSA",):
        table.add_column(heading, justify="right")

    def add(name: str, after: float, before: float | None) -> None:
        if not math.isnan(after) or (before is not None and not math.isnan(before)):
            table.add_row(name, *_cells(after, before))

    for i, name in enumerate(outcome.names):
        add(name, ssa.iou[i], branch.iou[i] if branch else None)
    table.add_section()
    add("mIoU", ssa.miou, branch.miou if branch else None)
    add("pixel accuracy", ssa.pixel_accuracy, branch.pixel_accuracy if branch else None)
    add("mean accuracy", ssa.mean_accuracy, branch.mean_accuracy if branch else None)
    return table


def _title(dataset: Dataset, outcome: Outcome) -> str:
    total = len(dataset.samples)
    of = "" if outcome.images == total else f" of {total}"
    return f"IoU on {dataset.layout.name}, {outcome.images}{of} images, %"


def _cells(after: float, before: float | None) -> list[str]:
    if before is None:
        return [f"{100 * after:.2f}"]
    return [f"{100 * before:.2f}", f"{100 * after:.2f}", f"{100 * (after - before):+.2f}"]


def to_json(
    dataset: Dataset,
    outcome: Outcome,
    server: ServerDescription | None,
    conditions: Mapping[str, Any],
) -> dict[str, Any]:
    """Everything that an evaluation found, and under which conditions.

    Figures are from 0 to 1, null where there is nothing to divide by. `confusion[i][j]` counts
    pixels of true class i that were called j.

    Args:
        dataset: what was evaluated.
        outcome: what came out.
        server: None where stored results were evaluated.
        conditions: what the user chose: channels, settings and so on.
    """
    report: dict[str, Any] = {
        "dataset": dataset.layout.name,
        "images": outcome.images,
        "found": len(dataset.samples),
        "not_tried": outcome.not_tried,
        "missing_parts": list(dataset.missing_parts),
        "failures": [{"image": f.name, "reason": f.reason} for f in outcome.failures],
        "stopped_by": str(outcome.stopped_by) if outcome.stopped_by else None,
        "conditions": dict(conditions),
        "server": server.to_json() if server else None,
        "client_version": __version__,
        "finished": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "ssa": _figures(outcome.ssa, outcome.names),
    }
    if outcome.branch is not None:
        report["branch"] = _figures(outcome.branch, outcome.names)
    return report


def _figures(matrix: Any, names: tuple[str, ...]) -> dict[str, Any]:
    scores = Scores.of(matrix)
    return {
        "miou": _number(scores.miou),
        "pixel_accuracy": _number(scores.pixel_accuracy),
        "mean_accuracy": _number(scores.mean_accuracy),
        "classes": [
            {"id": i, "name": name, "iou": _number(iou), "accuracy": _number(accuracy)}
            for i, (name, iou, accuracy) in enumerate(
                zip(names, scores.iou, scores.accuracy, strict=True)
            )
        ],
        "confusion": matrix.tolist(),
    }


def _number(value: float) -> float | None:
    """JSON has no nan."""
    return None if math.isnan(value) else float(value)


def write_report(path: Path, report: Mapping[str, Any]) -> None:
    """Write `report` to `path` as JSON; its folder must be there."""
    path.write_text(json.dumps(report, ensure_ascii=False, indent=1) + "\n", "utf-8")
