"""Cityscapes class ids by name, and which COCO and ADE20K class each one is closest to."""

from typing import Final

from ssa_backend.labels import ADE20K, CITYSCAPES, COCO_PANOPTIC

ROAD: Final = CITYSCAPES.index("road")
SIDEWALK: Final = CITYSCAPES.index("sidewalk")
BUILDING: Final = CITYSCAPES.index("building")
WALL: Final = CITYSCAPES.index("wall")
FENCE: Final = CITYSCAPES.index("fence")
POLE: Final = CITYSCAPES.index("pole")
TRAFFIC_LIGHT: Final = CITYSCAPES.index("traffic light")
TRAFFIC_SIGN: Final = CITYSCAPES.index("traffic sign")
VEGETATION: Final = CITYSCAPES.index("vegetation")
TERRAIN: Final = CITYSCAPES.index("terrain")
SKY: Final = CITYSCAPES.index("sky")
PERSON: Final = CITYSCAPES.index("person")
RIDER: Final = CITYSCAPES.index("rider")
CAR: Final = CITYSCAPES.index("car")
TRUCK: Final = CITYSCAPES.index("truck")
BUS: Final = CITYSCAPES.index("bus")
TRAIN: Final = CITYSCAPES.index("train")
MOTORCYCLE: Final = CITYSCAPES.index("motorcycle")
BICYCLE: Final = CITYSCAPES.index("bicycle")

_ADE20K_NAMES: Final = {
    "traffic sign": "signboard",
    "vegetation": "tree",
    "terrain": "grass",
    "rider": "person",
    # ADE20K has no rail vehicle. "van" is a large road vehicle that no other class here maps to,
    # so the 19 classes lose only one distinction (rider and person) on the way.
    "train": "van",
    "motorcycle": "minibike",
}

CITYSCAPES_TO_ADE20K: Final[tuple[int, ...]] = tuple(
    ADE20K.index(_ADE20K_NAMES.get(name, name)) for name in CITYSCAPES
)
"""ADE20K class id for each Cityscapes trainId, in trainId order."""

_COCO_NAMES: Final = {
    "sidewalk": "pavement-merged",
    "building": "building-other-merged",
    "wall": "wall-other-merged",
    "fence": "fence-merged",
    "vegetation": "tree-merged",
    "terrain": "grass-merged",
    "sky": "sky-other-merged",
    "rider": "person",
}

# COCO has no pole, and of traffic signs only "stop sign".
_NOT_IN_COCO: Final = ("pole", "traffic sign")

CITYSCAPES_TO_COCO: Final[tuple[int | None, ...]] = tuple(
    None if name in _NOT_IN_COCO else COCO_PANOPTIC.index(_COCO_NAMES.get(name, name))
    for name in CITYSCAPES
)
"""COCO panoptic class id for each Cityscapes trainId, in trainId order, or None."""
