"""The page itself: from what was surveyed and drawn to an HTML file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ssa_client import _page
from ssa_client.review.exhibits import Exhibits
from ssa_client.review.facts import JobFacts
from ssa_client.review.survey import BINS, Survey

_LISTED_CLASSES = 1000


@dataclass(frozen=True)
class ClassRow:
    """One row of the table of classes."""

    name: str
    masks: int
    share: float  # of all pixels of all images
    confidence: float


@dataclass(frozen=True)
class Bar:
    """One bar of the histogram: masks whose confidence is from `low` to below `high`."""

    low: float
    high: float
    masks: int
    height: float  # share of the highest bar


def write_report(
    path: Path, title: str, facts: JobFacts, survey: Survey, exhibits: Exhibits
) -> int:
    """Write the page to `path`, whole or not at all; returns its size in bytes.

    Raises:
        OSError: it cannot be written.
    """
    rows = class_rows(survey)
    return _page.write_page(
        path,
        "report.html",
        script="report.js",
        title=title,
        facts=facts,
        survey=survey,
        broken=[(broken.file, broken.reason) for broken in survey.broken],
        rows=rows[:_LISTED_CLASSES],
        unlisted=rows[_LISTED_CLASSES:],
        bars=bars(survey),
        doubtful=exhibits.doubtful,
        doubtful_classes=sorted({mask.class_name for mask in exhibits.doubtful}),
        overviews=exhibits.overviews,
    )


def class_rows(survey: Survey) -> list[ClassRow]:
    """Every class, those of the most masks first."""
    ordered = sorted(survey.classes.items(), key=lambda item: (-item[1].masks, item[0]))
    return [
        ClassRow(name, count.masks, count.visible_area / survey.pixels, count.mean_confidence)
        for name, count in ordered
    ]


def bars(survey: Survey) -> list[Bar]:
    """The histogram of confidence, the lowest first."""
    highest = max(*survey.histogram, 1)
    return [
        Bar(i / BINS, (i + 1) / BINS, masks, masks / highest)
        for i, masks in enumerate(survey.histogram)
    ]
