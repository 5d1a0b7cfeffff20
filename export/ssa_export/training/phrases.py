"""What is said of things: names and noun phrases to train CLIP and CLIPSeg on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from ssa_backend.labels import CITYSCAPES
from ssa_export.scenes.names import ALL_NAMES, COLOURS, accepted_names

CLASS_NAMES: Final[tuple[tuple[str, ...], ...]] = tuple(
    tuple(sorted(accepted_names(class_id))) for class_id in range(len(CITYSCAPES))
)
"""Every name that is right for each Cityscapes class."""

STREET_NAMES: Final[tuple[str, ...]] = tuple(sorted({n for names in CLASS_NAMES for n in names}))
"""Names that are right for something in the scenes."""

OTHER_NAMES: Final[tuple[str, ...]] = tuple(n for n in ALL_NAMES if n not in set(STREET_NAMES))
"""Names of the label sets that are right for nothing in the scenes."""

CLASSES_BY_NAME: Final = {
    name: frozenset(i for i, names in enumerate(CLASS_NAMES) if name in names) for name in ALL_NAMES
}
"""The Cityscapes classes, by trainId, for which each name is right."""

_PLAIN_SHARE: Final = 0.5
_COLOUR_SHARE: Final = 0.4


@dataclass(frozen=True)
class Phrase:
    """A name as it is said: bare, or with an article, or with a colour too."""

    noun: str
    text: str
    colour: str | None = None


def bare(noun: str) -> Phrase:
    """The name alone."""
    return Phrase(noun, noun)


def said(noun: str, rng: np.random.Generator) -> Phrase:
    """A name as label sets or as captions have it."""
    if rng.random() < _PLAIN_SHARE:
        return bare(noun)
    colour = str(rng.choice(COLOURS)) if rng.random() < _COLOUR_SHARE else None
    words = noun if colour is None else f"{colour} {noun}"
    article = "the" if rng.random() < 0.3 else "an" if words[0] in "aeiou" else "a"
    return Phrase(noun, f"{article} {words}", colour)
