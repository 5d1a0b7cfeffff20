"""Which names are right for what a scene shows.

A name is judged as a reviewer would who sees the mask: "a parked red car" is right for a car, "van"
or "vehicle door" is not, and neither is "building" for a free-standing wall.
"""

from __future__ import annotations

from typing import Final

from ssa_backend.labels import ADE20K, CITYSCAPES, COCO_PANOPTIC, plain_name
from ssa_export.scenes.classes import CITYSCAPES_TO_ADE20K, CITYSCAPES_TO_COCO

_SYNONYMS: Final = {
    "road": "street, roadway, lane",
    "sidewalk": "pavement, footpath, walkway",
    "building": "buildings, house, houses, apartment building, apartment house",
    "wall": "walls",
    "fence": "railing, fencing",
    "pole": "post, utility pole, lamp post",
    "traffic light": "traffic lights, traffic signal, stoplight",
    "traffic sign": "sign, road sign, street sign",
    "vegetation": "trees, plant, plants, bush, bushes, shrub, shrubs, hedge, foliage, greenery",
    "terrain": "lawn, field, meadow",
    "sky": "",
    "person": "people, man, woman, pedestrian, pedestrians",
    "rider": "man, woman, cyclist, bicyclist, biker, motorcyclist",
    "car": "cars, automobile, vehicle",
    "truck": "trucks, lorry, vehicle",
    "bus": "buses, coach, vehicle",
    "train": "tram, streetcar, vehicle",
    "motorcycle": "motorcycles, motorbike, bike, scooter",
    "bicycle": "bicycles, bike, cycle",
}

# A van is the nearest that ADE20K has to a train, and no right name for one.
_NOT_ACCEPTED: Final = {("train", "van")}

ARTICLES: Final = frozenset({"a", "an", "the", "some"})

COLOURS: Final = (
    "black", "gray", "white", "red", "orange", "brown", "yellow", "green", "blue", "purple", "pink",
)  # fmt: skip

ADJECTIVES: Final = frozenset(
    {*COLOURS, "grey", "beige", "dark", "light", "bright", "pale"}
    | {"small", "little", "big", "large", "tall", "high", "low", "long", "short", "wide", "narrow"}
    | {"brick", "stone", "concrete", "wooden", "metal", "parked", "cloudy", "clear"}
)


def _accepted(class_id: int) -> frozenset[str]:
    own = CITYSCAPES[class_id]
    coco = CITYSCAPES_TO_COCO[class_id]
    names = {own, ADE20K[CITYSCAPES_TO_ADE20K[class_id]]}
    names |= {name.strip() for name in _SYNONYMS[own].split(",")} - {""}
    if coco is not None:
        names.add(plain_name(COCO_PANOPTIC[coco]))
    return frozenset(name for name in names if (own, name) not in _NOT_ACCEPTED)


_ACCEPTED: Final = tuple(_accepted(class_id) for class_id in range(len(CITYSCAPES)))

ALL_NAMES: Final[tuple[str, ...]] = tuple(
    sorted(
        {plain_name(name) for name in COCO_PANOPTIC} | set(ADE20K) | frozenset().union(*_ACCEPTED)
    )
)
"""Every name of the label sets, as one would say it, and every synonym."""


def accepted_names(class_id: int) -> frozenset[str]:
    """The nouns that are right for a Cityscapes class, by trainId."""
    return _ACCEPTED[class_id]


def head_noun(name: str) -> str:
    """A name without what may stand in front of its noun: "The tall Tree" is "tree".

    Articles and the adjectives of colour, size and material that this module lists go; the last
    word always stays, so that "light" and "orange" remain names.
    """
    words = name.lower().split()
    while len(words) > 1 and (words[0] in ARTICLES or words[0] in ADJECTIVES):
        words = words[1:]
    return " ".join(words)


def names_accept(class_id: int, name: str) -> bool:
    """Whether `name`, a bare name or a noun phrase, is right for a Cityscapes class."""
    return head_noun(name) in _ACCEPTED[class_id]
