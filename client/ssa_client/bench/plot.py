"""Levels as a picture: throughput and latency on the left, where the time goes on the right."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ssa_client.bench.breakdown import Breakdown, ModelTime
from ssa_client.bench.level import Level

_PARTS = {
    "queue": "#c9c9c9",
    "compute_input": "#8ecae6",
    "compute_infer": "#1d6fa5",
    "compute_output": "#f4a261",
}
_BARS_HEIGHT = 0.8  # of a model's row, for the bars of all levels
_INCHES_A_BAR = 0.16


def plot_formats() -> set[str]:
    """The endings of the files that can be written, such as "png"."""
    return set(Figure().canvas.get_supported_filetypes())


def write_plot(path: Path, title: str, levels: Sequence[Level]) -> None:
    """Draw `levels` in `path`, whose folder must be there; its ending is the format.

    Levels of which no request succeeded are not drawn.
    """
    levels = [level for level in levels if level.latency]
    breakdowns = {level.load.concurrency: level.breakdown for level in levels if level.breakdown}
    bars = sum(1 + len(breakdown.models) for breakdown in breakdowns.values())
    figure = Figure(figsize=(13, max(4.5, _INCHES_A_BAR * bars)))
    figure.suptitle(title)
    left, right = figure.subplots(1, 2, width_ratios=(1, 1.3))
    _draw_levels(left, levels)
    _draw_models(right, breakdowns)
    figure.tight_layout()
    figure.savefig(path, dpi=120)


def _draw_levels(axes: Axes, levels: Sequence[Level]) -> None:
    """Throughput to the left-hand scale, p50 and p95 to the right-hand one."""
    under_way = [level.load.concurrency for level in levels]
    throughput = [level.load.throughput for level in levels]
    lines = axes.plot(under_way, throughput, "o-", color="#2a9d8f", label="requests/s")
    axes.set(xlabel="requests under way", ylabel="requests/s", ylim=(0, None), xticks=under_way)
    latency_axes = axes.twinx()
    latency_axes.set(ylabel="latency, ms")
    for percent, style in ((50, "s--"), (95, "^:")):
        latencies = [level.latency.percentiles_ms[percent] for level in levels if level.latency]
        lines += latency_axes.plot(
            under_way, latencies, style, color="#c1440e", label=f"p{percent}"
        )
    latency_axes.set_ylim(0)
    # Above: inside, some line is always in its way.
    axes.legend(handles=lines, loc="lower center", bbox_to_anchor=(0.5, 1), ncols=3, frameon=False)


def _draw_models(axes: Axes, breakdowns: Mapping[int, Breakdown]) -> None:
    """For each model a stacked bar of each concurrency: what its calls wait for and do."""
    # In the order of the first, which may not be that of the others.
    names = {its.model: its.called_by for its in next(iter(breakdowns.values())).models}
    height = _BARS_HEIGHT / len(breakdowns)
    for i, (concurrency, breakdown) in enumerate(breakdowns.items()):
        times = {its.model: its for its in breakdown.models}
        rows = [row + i * height for row in range(len(names))]
        ends = [0.0] * len(names)
        for part, color in _PARTS.items():
            widths = [_part_ms(times[name], part) for name in names]
            label = part.replace("_", " ") if i == 0 else None
            axes.barh(rows, widths, 0.9 * height, left=ends, color=color, label=label)
            ends = [end + width for end, width in zip(ends, widths, strict=True)]
        for row, end in zip(rows, ends, strict=True):
            axes.annotate(
                str(concurrency),
                (end, row),
                xytext=(3, 0),
                textcoords="offset points",
                va="center",
                fontsize=7,
            )
    labels = [f"└ {name}" if called_by else name for name, called_by in names.items()]
    middle = (len(breakdowns) - 1) * height / 2
    axes.set_yticks([row + middle for row in range(len(names))], labels)
    axes.invert_yaxis()
    axes.set(xlabel="ms per request; beside each bar, how many requests were under way")
    axes.legend(loc="lower right")


def _part_ms(its: ModelTime, part: str) -> float:
    milliseconds: float = getattr(its, f"{part}_ms")
    return milliseconds
