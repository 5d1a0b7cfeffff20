"""The images of lowest mIoU, as one HTML page that needs no other file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from ssa_client._embedding import data_uri, fitted
from ssa_client._image import open_image
from ssa_client._palette import class_colors
from ssa_client._smallest import Smallest
from ssa_client.evaluation.confusion import IGNORE, Scores
from ssa_client.evaluation.prediction import Prediction
from ssa_client.evaluation.truth import TruthMap

_LONGEST_SIDE = 480  # pixels of a picture on the page
_LISTED_CLASSES = 4

Matrix = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Case:
    """One image: its figures, and pictures as data URIs by what they show."""

    name: str
    ssa: Scores
    branch: Scores | None
    pictures: dict[str, str]
    class_ids: tuple[int, ...]  # in any of its maps


class WorstCases:
    """Keeps the `count` cases of lowest mIoU; ties go to the name that sorts first."""

    def __init__(self, count: int) -> None:
        self._lowest = Smallest[Case](count)

    def wants(self, ssa: Matrix) -> bool:
        """Whether an image with this confusion matrix may be among them."""
        miou = Scores.of(ssa).miou
        # nan where no pixel counts, and no comparison holds for it. No name sorts before "".
        return miou >= 0 and self._lowest.wants((miou, ""))

    def add(self, case: Case) -> None:
        """Keep `case` if it is among them; drop what it displaces."""
        self._lowest.add((case.ssa.miou, case.name), case)

    @property
    def cases(self) -> list[Case]:
        """The lowest mIoU first."""
        return list(self._lowest)


def draw_case(
    name: str,
    image: bytes,
    truth: TruthMap,
    prediction: Prediction,
    ssa: Matrix,
    branch: Matrix | None,
) -> Case:
    """A case with its pictures, small enough to keep many of them."""
    maps = {"truth": truth, "branch": prediction.branch, "SSA": prediction.ssa}
    known = {title: map_ for title, map_ in maps.items() if map_ is not None}
    photo = open_image(image).convert("RGB")
    small = fitted(photo.size, _LONGEST_SIDE)
    pictures = {"picture": data_uri(photo.resize(small, Image.Resampling.LANCZOS))}
    for title, map_ in known.items():
        shrunk = np.asarray(Image.fromarray(map_).resize(small, Image.Resampling.NEAREST))
        colors = class_colors(shrunk)
        if title == "truth":
            colors[shrunk == IGNORE] = 0
        pictures[title] = data_uri(Image.fromarray(colors))
    ids = np.flatnonzero(sum(m.sum(axis=0) + m.sum(axis=1) for m in (ssa, branch) if m is not None))
    return Case(
        name,
        Scores.of(ssa),
        None if branch is None else Scores.of(branch),
        pictures,
        tuple(ids.tolist()),
    )


def write_page(path: Path, title: str, cases: Sequence[Case], names: Sequence[str]) -> None:
    """Write the page of `cases` to `path`; needs the extra `report`.

    Args:
        path: an HTML file.
        title: what was evaluated.
        cases: in the order in which they are shown.
        names: the classes in the order of their ids.
    """
    from ssa_client import _page

    _page.write_page(path, "worst.html", title=title, cases=[_view(case, names) for case in cases])


def _view(case: Case, names: Sequence[str]) -> dict[str, Any]:
    """What the template shows of a case."""
    order = np.argsort(case.ssa.iou, kind="stable")[: np.isfinite(case.ssa.iou).sum()]
    return {
        "name": case.name,
        "branch": case.branch.miou if case.branch else None,
        "ssa": case.ssa.miou,
        "lowest": [(names[i], float(case.ssa.iou[i])) for i in order[:_LISTED_CLASSES]],
        "pictures": case.pictures,
        "legend": [(names[id_], class_colors(id_).tolist()) for id_ in case.class_ids],
    }
