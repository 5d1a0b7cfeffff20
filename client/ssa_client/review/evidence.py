"""What speaks for a label: the fields beside a mask's name, as far as its file has them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Proposal:
    """A name that was considered; None where the pipeline gives no such figure."""

    name: str
    clip_score: float | None
    clipseg_share: float | None


@dataclass(frozen=True)
class Figure:
    """A figure and what it says; `name` is the class that it is about, if any."""

    title: str
    value: float
    name: str = ""


@dataclass(frozen=True)
class Evidence:
    """Why a mask is called what it is called."""

    caption: str
    proposals: tuple[Proposal, ...]
    figures: tuple[Figure, ...]  # votes, and what SAM says of the mask

    @property
    def with_scores(self) -> bool:
        """Whether anything is known of a proposal but its name."""
        return any((p.clip_score, p.clipseg_share) != (None, None) for p in self.proposals)


# The key of a share or score, that of the class it is about, and what they are called.
_FIGURES = (
    ("coco_share", "coco_name", "COCO votes"),
    ("ade20k_share", "ade20k_name", "ADE20K votes"),
    ("vote_share", "class_name", "votes"),
    ("predicted_iou", None, "predicted IoU"),
    ("stability_score", None, "stability"),
)


def evidence_of(annotation: object) -> Evidence:
    """The evidence in one of a file's annotations; what is missing or odd is left out."""
    entry = annotation if isinstance(annotation, Mapping) else {}
    scores, shares = _list(entry, "clip_scores"), _list(entry, "clipseg_shares")
    proposals = tuple(
        Proposal(name, _number(_at(scores, i)), _number(_at(shares, i)))
        for i, name in enumerate(_list(entry, "class_proposals"))
        if isinstance(name, str)
    )
    figures = []
    for key, name_key, title in _FIGURES:
        value = _number(entry.get(key))
        if value is not None:
            figures.append(Figure(title, value, _text(entry, name_key) if name_key else ""))
    return Evidence(_text(entry, "caption"), proposals, tuple(figures))


def _list(entry: Mapping[str, Any], key: str) -> list[Any]:
    value = entry.get(key)
    return value if isinstance(value, list) else []


def _text(entry: Mapping[str, Any], key: str) -> str:
    value = entry.get(key)
    return value if isinstance(value, str) else ""


def _at(values: list[Any], index: int) -> Any:
    return values[index] if index < len(values) else None


def _number(value: object) -> float | None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number else None  # type: ignore[arg-type]
