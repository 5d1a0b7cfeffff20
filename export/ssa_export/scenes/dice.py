"""Random choices that come out the same on every platform and numpy version."""

from collections.abc import Sequence
from typing import TypeVar

import numpy as np
import numpy.typing as npt

T = TypeVar("T")
RGB = tuple[float, float, float]
"""Linear mix of red, green and blue, each 0..1."""


class Dice:
    """Everything is made from `Generator.random`: unlike `choice`, `normal` or `shuffle`, its
    stream has been the same in every numpy release."""

    def __init__(self, seed: int) -> None:
        self._generator = np.random.Generator(np.random.PCG64(seed))

    def between(self, low: float, high: float) -> float:
        """A number from `low` up to, not including, `high`."""
        return low + (high - low) * float(self._generator.random())

    def whole(self, low: int, high: int) -> int:
        """An integer from `low` to `high`, both included."""
        return low + int(self._generator.random() * (high - low + 1))

    def chance(self, probability: float) -> bool:
        """True with that probability."""
        return float(self._generator.random()) < probability

    def pick(self, options: Sequence[T]) -> T:
        """One of the options, all equally likely."""
        return options[self.whole(0, len(options) - 1)]

    def weighted(self, weights: dict[str, float]) -> str:
        """One of the keys, each as likely as its weight says."""
        left = self.between(0.0, sum(weights.values()))
        for name, weight in weights.items():
            left -= weight
            if left < 0:
                return name
        return name

    def tint(self, colours: Sequence[RGB], spread: float = 0.06) -> RGB:
        """One of the colours, brightness and each channel shifted by up to `spread`."""
        level = self.between(1 - 2 * spread, 1 + 2 * spread)
        red, green, blue = self.pick(colours)
        return (
            min(max(red * level + self.between(-spread, spread), 0.02), 0.98),
            min(max(green * level + self.between(-spread, spread), 0.02), 0.98),
            min(max(blue * level + self.between(-spread, spread), 0.02), 0.98),
        )

    def field(self, shape: tuple[int, ...]) -> npt.NDArray[np.float32]:
        """Uniform numbers in 0..1."""
        return self._generator.random(shape, dtype=np.float32)
