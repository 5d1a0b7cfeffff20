"""English sentences about a crop of a scene, made from the scene's own facts.

A sentence names what the crop is of, often its colour (measured in the picture) or shape, and one
thing that is seen beside it: "a red car on the road", "a tall building behind a tree".
"""

from __future__ import annotations

import bisect
import colorsys
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from ssa_backend.labels import CITYSCAPES

# What people call a class, the usual word first.
_NOUNS: Final[dict[str, tuple[str, ...]]] = {
    "traffic sign": ("traffic sign", "sign"),
    "vegetation": ("tree",),
    "terrain": ("grass",),
    "person": ("person", "pedestrian"),
    "rider": ("person", "cyclist"),
    "train": ("train", "tram"),
}
_GROUND: Final = ("road", "sidewalk", "terrain")
_BACKDROP: Final = ("building", "wall", "fence", "vegetation", "sky")
_RIDDEN: Final = ("bicycle", "motorcycle")
_UNCOUNTED: Final = ("sky", "terrain", "road", "sidewalk")
_COLOURLESS: Final = ("person", "rider", "traffic sign", "traffic light", "vegetation", "terrain")
_TALL: Final = ("building", "vegetation")
_LONG: Final = ("wall", "fence", "bus", "train")

# Upper ends of hues, in degrees; past the last it is red again.
_HUES: Final = (15, 40, 65, 165, 255, 300, 345, 360)
_HUE_NAMES: Final = ("red", "orange", "yellow", "green", "blue", "purple", "pink", "red")
_GREY_CHROMA: Final = 0.22
"""Below this saturation a pixel has no hue."""
_BLACK, _WHITE = 60, 185
"""Brightest channel of what is called black at most, and of what is called white at least."""
_BROWN = 160
"""Brightest channel of what is brown rather than orange."""

COLOUR_SHARE: Final = 0.5
"""A colour is named where at least this share of the pixels has it."""


@dataclass(frozen=True)
class Region:
    """One instance as a crop shows it."""

    class_id: int
    area: int
    """Visible pixels in the crop."""
    box_xyxy: tuple[int, int, int, int]
    """Tight, in the crop's pixels, ends exclusive."""
    touching: bool = False
    """Whether it borders on what the crop is of."""

    @property
    def name(self) -> str:
        """The Cityscapes class."""
        return CITYSCAPES[self.class_id]


def main_colour(pixels: npt.NDArray[np.uint8]) -> str | None:
    """The colour that most of `pixels`, uint8 [N, 3] RGB, have; None if no colour has enough."""
    names, counts = np.unique([_colour(*pixel) for pixel in pixels.tolist()], return_counts=True)
    best = int(counts.argmax())
    return str(names[best]) if counts[best] >= COLOUR_SHARE * len(pixels) else None


def _colour(red: int, green: int, blue: int) -> str:
    hue, saturation, _ = colorsys.rgb_to_hsv(red, green, blue)
    value = max(red, green, blue)
    if value <= _BLACK:
        return "black"
    if saturation < _GREY_CHROMA:
        return "white" if value >= _WHITE else "gray"
    name = _HUE_NAMES[bisect.bisect_right(_HUES, hue * 359.9)]
    return "brown" if name == "orange" and (value < _BROWN or saturation < 0.45) else name


def caption(
    subject: Region, colour: str | None, others: list[Region], rng: np.random.Generator
) -> str:
    """One sentence of at most 12 words about `subject`.

    Args:
        subject: what the crop is of.
        colour: its `main_colour`.
        others: what else the crop shows.
        rng: chooses among what is true and equally good to say.
    """
    phrase = _phrase(subject, _adjective(subject, colour, rng), rng)
    near = _companion(subject, others)
    if near is None or rng.random() < 0.15:
        return phrase
    return f"{phrase} {_relation(subject, near)} {_phrase(near, None, rng)}"


def _adjective(subject: Region, colour: str | None, rng: np.random.Generator) -> str | None:
    x0, y0, x1, y1 = subject.box_xyxy
    if rng.random() < 0.4:
        if subject.name in _TALL and y1 - y0 > 1.5 * (x1 - x0):
            return "tall"
        if subject.name in _LONG and x1 - x0 > 2.5 * (y1 - y0):
            return "long"
    if subject.name in _COLOURLESS or rng.random() < 0.25:
        return None
    return colour


def _phrase(region: Region, adjective: str | None, rng: np.random.Generator) -> str:
    nouns = _NOUNS.get(region.name, (region.name,))
    usual = len(nouns) == 1 or rng.random() < 0.75
    words = [nouns[0] if usual else str(rng.choice(nouns[1:]))]
    if adjective is not None:
        words.insert(0, adjective)
    indefinite = "an" if words[0][0] in "aeiou" else "a"
    article = "the" if region.name in _UNCOUNTED else indefinite
    return " ".join([article, *words])


def _companion(subject: Region, others: list[Region]) -> Region | None:
    """The neighbour most worth a mention: what a rider rides, the ground below, else the largest
    of another kind that touches `subject`."""
    candidates = [
        other
        for other in others
        if other.touching and other.class_id != subject.class_id and other.area >= 60
    ]
    if not candidates:
        return None
    if subject.name == "rider":
        ridden = [other for other in candidates if other.name in _RIDDEN]
        if ridden:
            return max(ridden, key=lambda other: other.area)
    return max(candidates, key=lambda other: other.area)


def _relation(subject: Region, near: Region) -> str:
    """How `subject` stands to `near`, as far as their boxes tell."""
    if subject.name == "rider" and near.name in _RIDDEN:
        return "riding"
    if subject.name == "sky":
        return "above"
    if near.name in _GROUND:
        return "next to" if subject.name in (*_GROUND, *_BACKDROP) else "on"
    if near.name == "sky":
        return "under"
    if subject.name in _BACKDROP and near.box_xyxy[3] > subject.box_xyxy[3]:
        return "behind"
    if near.name in _BACKDROP and subject.box_xyxy[3] > near.box_xyxy[3]:
        return "in front of"
    return "next to"
