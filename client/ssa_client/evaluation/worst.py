"""The images of lowest mIoU, as one HTML page that needs no other file."""

from __future__ import annotations

import base64
import heapq
import html
import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from ssa_client._image import open_image
from ssa_client._palette import class_colors
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


@dataclass
class WorstCases:
    """Keeps the `count` cases of lowest mIoU; ties go to the name that sorts first."""

    count: int
    _heap: list[tuple[float, _Descending, Case]] = field(default_factory=list, init=False)

    def wants(self, ssa: Matrix) -> bool:
        """Whether an image with this confusion matrix may be among them."""
        miou = Scores.of(ssa).miou
        # nan where no pixel counts, and no comparison holds for it.
        return miou >= 0 and (len(self._heap) < self.count or -miou >= self._heap[0][0])

    def add(self, case: Case) -> None:
        """Keep `case` if it is among them; drop what it displaces."""
        heapq.heappush(self._heap, (-case.ssa.miou, _Descending(case.name), case))
        if len(self._heap) > self.count:
            heapq.heappop(self._heap)

    @property
    def cases(self) -> list[Case]:
        """The lowest mIoU first."""
        return [case for *_, case in sorted(self._heap, key=lambda e: e[:2], reverse=True)]


class _Descending(str):
    """A text that sorts backwards."""

    __slots__ = ()

    def __lt__(self, other: str) -> bool:
        return str.__gt__(self, other)

    def __gt__(self, other: str) -> bool:
        return str.__lt__(self, other)


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
    small = _fitted(photo.size)
    pictures = {"picture": _data_uri(photo.resize(small, Image.Resampling.LANCZOS))}
    for title, map_ in known.items():
        shrunk = np.asarray(Image.fromarray(map_).resize(small, Image.Resampling.NEAREST))
        colors = class_colors(shrunk)
        if title == "truth":
            colors[shrunk == IGNORE] = 0
        pictures[title] = _data_uri(Image.fromarray(colors))
    ids = np.flatnonzero(sum(m.sum(axis=0) + m.sum(axis=1) for m in (ssa, branch) if m is not None))
    return Case(
        name,
        Scores.of(ssa),
        None if branch is None else Scores.of(branch),
        pictures,
        tuple(ids.tolist()),
    )


def _fitted(size_wh: tuple[int, int]) -> tuple[int, int]:
    scale = min(1.0, _LONGEST_SIDE / max(size_wh))
    return max(1, round(size_wh[0] * scale)), max(1, round(size_wh[1] * scale))


def _data_uri(picture: Image.Image) -> str:
    buffer = io.BytesIO()
    # Without subsampled colour: thin classes would take the hue of what is beside them.
    picture.save(buffer, "JPEG", quality=88, subsampling=0)
    return f"data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode('ascii')}"


def write_page(path: Path, title: str, cases: Sequence[Case], names: Sequence[str]) -> None:
    """Write the page of `cases` to `path`, whose folder must be there.

    Args:
        path: an HTML file.
        title: what was evaluated.
        cases: in the order in which they are shown.
        names: the classes in the order of their ids.
    """
    body = "\n".join(_section(case, names) for case in cases)
    path.write_text(_PAGE.format(title=html.escape(title), count=len(cases), body=body), "utf-8")


def _section(case: Case, names: Sequence[str]) -> str:
    figures = f"SSA {case.ssa.miou:.2%}"
    if case.branch:
        figures = f"branch {case.branch.miou:.2%}, {figures}"
    order = np.argsort(case.ssa.iou, kind="stable")[: np.isfinite(case.ssa.iou).sum()]
    lowest = ", ".join(f"{names[i]} {case.ssa.iou[i]:.1%}" for i in order[:_LISTED_CLASSES])
    pictures = "".join(
        f'<figure><img src="{uri}" alt=""><figcaption>{title}</figcaption></figure>'
        for title, uri in case.pictures.items()
    )
    legend = "".join(_swatch(id_, names[id_]) for id_ in case.class_ids)
    return (
        f"<section><h2>{html.escape(case.name)}</h2>"
        f"<p>mIoU {figures}; lowest: {html.escape(lowest)}</p>"
        f'<div class="row">{pictures}</div><p class="legend">{legend}</p></section>'
    )


def _swatch(class_id: int, name: str) -> str:
    color = ",".join(str(channel) for channel in class_colors(class_id).tolist())
    return f'<span><i style="background:rgb({color})"></i>{html.escape(name)}</span>'


_PAGE = """\
<!DOCTYPE html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>{title}</title>
<style>
:root {{ color-scheme: light dark; font: 15px/1.5 system-ui, sans-serif; }}
body {{ margin: 2rem auto; max-width: 1500px; padding: 0 1rem; }}
h2 {{ font-size: 1.05rem; margin: 2rem 0 0; overflow-wrap: anywhere; }}
p {{ margin: .2rem 0 .6rem; }}
.row {{ display: grid; gap: .5rem; grid-template-columns: repeat(auto-fit, minmax(220px, 1fr)); }}
figure {{ margin: 0; }}
img {{ width: 100%; display: block; }}
figcaption {{ opacity: .7; }}
.legend {{ display: flex; flex-wrap: wrap; gap: .1rem 1rem; }}
.legend i {{ display: inline-block; width: .8em; height: .8em; margin-right: .4em; }}
</style>
<h1>{title}</h1>
<p>The {count} images of lowest mIoU, lowest first. Black in the truth counts for nothing.</p>
{body}
</html>
"""
