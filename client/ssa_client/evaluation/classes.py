"""Whether what is served and what the data set has are the same classes."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from ssa_client.evaluation.errors import ClassesError

# ADE20K's classes go by two sets of names: SceneParse150's, which the Segformers have, and
# Detectron2's, which the OneFormers have. Where one is not a synonym listed in the other:
_ALSO_CALLED = {
    "window": "windowpane",
    "tub": "bathtub",
    "rail": "railing",
    "street lamp": "streetlight",
    "tv": "television receiver",
    "plane": "airplane",
    "clothes": "apparel",
    "pool": "swimming pool",
    "falls": "waterfall",
    "trash can": "ashcan",
}
_SHOWN = 3  # of the names that differ, in a message


def read_classes(path: Path) -> tuple[str, ...]:
    """The classes that a text file lists, one name on a line, in the order of their ids.

    Raises:
        ClassesError: the file cannot be read or has an empty line or none at all.
    """
    try:
        names = tuple(line.strip() for line in path.read_text("utf-8").splitlines())
    except (OSError, UnicodeDecodeError) as error:
        raise ClassesError(
            f"cannot read {path}: {error}; expected one class name a line."
        ) from None
    if not names or not all(names):
        raise ClassesError(f"{path} has an empty line or none; expected one name a line.")
    return names


def require_same_classes(expected: Sequence[str], served: Sequence[str], where: str) -> None:
    """Hold the classes that `where` serves to those of the data set.

    Names may differ in case, hyphens and in which synonyms they list.

    Raises:
        ClassesError: another number or order of classes; the message says what came.
    """
    if len(served) != len(expected):
        raise ClassesError(
            f"{where} has {len(served)} classes ({_some(served)}); "
            f"expected {len(expected)} ({_some(expected)})."
        )
    require_same_names(dict(enumerate(expected)), dict(enumerate(served)), where)


def require_same_names(expected: Mapping[int, str], came: Mapping[int, str], where: str) -> None:
    """As `require_same_classes`, for the names of some ids, the same ids in both."""
    wrong = [id_ for id_ in expected if not _key(expected[id_]) & _key(came[id_])]
    if wrong:
        pairs = ", ".join(
            f"class {id_} is {came[id_]!r}, expected {expected[id_]!r}" for id_ in wrong[:_SHOWN]
        )
        raise ClassesError(
            f"{where} has other classes than the data set: {pairs}"
            f"{' and so on' if len(wrong) > _SHOWN else ''} ({len(wrong)} differ). "
            "If they mean the same, give the served names with --classes-file."
        )


def _key(name: str) -> set[str]:
    """Every way to say `name`: its synonyms, in lower case, words apart by one space."""
    ways = {re.sub(r"[\W_]+", " ", way).strip().lower() for way in re.split("[,;]", name)}
    return {_ALSO_CALLED.get(way, way) for way in ways}


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:_SHOWN]) + (", ..." if len(names) > _SHOWN else "")
