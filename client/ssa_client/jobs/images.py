"""The images of a job, however many: streamed, never listed."""

from __future__ import annotations

import hashlib
import os
from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from ssa_client.jobs.sources import Source

IMAGE_SUFFIXES = frozenset({".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"})
# A folder of up to so many images is worked off in the order of their names, a larger one in
# blocks of so many: nearly as easy to follow, and all that is held.
BLOCK = 10_000


def is_image(file_name: str) -> bool:
    """Whether a file of that name, or of that path in an archive, is an image to work on."""
    stem, _, suffix = base_name(file_name).rpartition(".")
    is_one = bool(stem) and f".{suffix.lower()}" in IMAGE_SUFFIXES
    # Pictures that an earlier run drew are no input, where --out is the images' own folder.
    return is_one and not stem.endswith("_semantic")


def base_name(name: str) -> str:
    """The file name of an image: what its name ends with, where it lies in an archive."""
    return name.rpartition("/")[2]


def beside(name: str) -> str:
    """The name of the JSON beside an image."""
    return f"{name.rpartition('.')[0]}.json"


def output_name(name: str) -> str:
    """The name that the files made of an image start with."""
    return base_name(name).rpartition(".")[0]


def stable_image_id(file_name: str) -> int:
    """A number above 0 for the image that depends on nothing but its file's name.

    It has 53 bits, so that every reader of JSON gets it exactly: among 11 million images the odds
    that any two share one are below 1 in 100.
    """
    digest = hashlib.blake2b(os.fsencode(file_name), digest_size=8).digest()
    return (int.from_bytes(digest, "big") >> 11) or 1


@dataclass(frozen=True)
class JobImages:
    """The images of a source: how many, and which of them have to share a name.

    `shadowed` maps an image to the one, first by name, whose outputs it would overwrite.
    """

    source: Source
    count: int
    shadowed: dict[str, str] = field(default_factory=dict)

    @classmethod
    def survey(cls, source: Source) -> JobImages:
        """Go through all names once; some 40 bytes an image are held meanwhile.

        Raises:
            OSError: the source cannot be read.
        """
        hashes = array("q", (hash(output_name(name)) for name in source.names()))
        values, counts = np.unique(np.frombuffer(hashes, np.int64), return_counts=True)
        suspects = set(values[counts > 1].tolist())
        return cls(source, len(hashes), _shadowed(source, suspects) if suspects else {})

    def blocks(self) -> Iterator[list[str]]:
        """Names, a sorted block at a time."""
        names = self.source.names()
        while block := sorted(islice(names, BLOCK)):
            yield block


def _shadowed(source: Source, suspects: set[int]) -> dict[str, str]:
    by_stem: dict[str, list[str]] = {}
    for name in source.names():
        if hash(output_name(name)) in suspects:
            by_stem.setdefault(output_name(name), []).append(name)
    return {name: group[0] for group in map(sorted, by_stem.values()) for name in group[1:]}
