"""The images of a job, however many: streamed, never listed."""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice

import numpy as np

from ssa_client.jobs.names import output_name
from ssa_client.jobs.sources import Source

# A folder of up to so many images is worked off in the order of their names, a larger one in
# blocks of so many: nearly as easy to follow, and all that is held.
BLOCK = 10_000


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
