"""One part of the work, done in this project's way and in a plain way: time, memory and floor."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.memory import growth_mb

COLUMNS = {
    "stage": "{}",
    "ours, ms": "{:.1f}",
    "reference, ms": "{:.1f}",
    "ratio": "**{:.1f}**",
    "ours, peak MB": "{:.1f}",
    "reference, peak MB": "{:.1f}",
    "floor, ms": "{:.2f}",
    "floor's share of ours, %": "{:.0f}",
}


def elapsed_ms(run: Callable[[], Any]) -> float:
    """How long it takes."""
    started = time.perf_counter()
    run()
    return 1000 * (time.perf_counter() - started)


@dataclass
class Side:
    """One way to do a stage.

    Attributes:
        run: does it.
        clock: measures it.
        ms: of each repeat.
        peak_mb: memory at most, above what this process had before it first ran.
    """

    run: Callable[[], Any]
    clock: Callable[[Callable[[], Any]], float]
    ms: list[float] = field(default_factory=list)
    peak_mb: float = 0.0

    @property
    def median_ms(self) -> float:
        """Of the repeats."""
        return statistics.median(self.ms)

    def warm_up(self) -> None:
        """Run twice: from the first on ONNX Runtime keeps memory, in the second it plans it."""
        _, self.peak_mb = growth_mb(lambda: [self.run(), self.run()])

    def measure(self) -> None:
        """Time it once more."""
        self.ms.append(self.clock(self.run))


class Stage:
    """One part of the work, done twice.

    Args:
        name: what a reader calls it.
        ours: this project's way.
        reference: the plain way; None where there is none.
        floor_ms: what no machine like this one goes below; None where it says nothing.
        clock: measures either.
    """

    def __init__(
        self,
        name: str,
        ours: Callable[[], Any],
        reference: Callable[[], Any] | None,
        floor_ms: float | None = None,
        clock: Callable[[Callable[[], Any]], float] = elapsed_ms,
    ) -> None:
        self.name = name
        self.ours = Side(ours, clock)
        self.reference = Side(reference, clock) if reference else None
        self.floor_ms = floor_ms

    @property
    def ratio(self) -> float | None:
        """How many times faster than the reference."""
        return self.reference.median_ms / self.ours.median_ms if self.reference else None

    def measure(self, repeats: int) -> None:
        """Time both in turn, once they are warm."""
        sides = [self.ours, self.reference] if self.reference else [self.ours]
        for side in sides:
            side.warm_up()
        for _ in range(repeats):
            for side in sides:
                side.measure()

    def row(self) -> list[Any]:
        """For `COLUMNS`."""
        ours, reference = self.ours, self.reference
        return [
            *(self.name, ours.median_ms, reference and reference.median_ms, self.ratio),
            *(ours.peak_mb, reference and reference.peak_mb, self.floor_ms),
            None if self.floor_ms is None else 100 * self.floor_ms / ours.median_ms,
        ]


@dataclass(frozen=True)
class Speed:
    """What this machine reaches: a large product, and a large copy."""

    gflops: float
    gb_s: float

    @classmethod
    def measured(cls) -> Speed:
        """The best of several runs each."""
        a = torch.rand(2048, 2048)
        product_ms = min(elapsed_ms(partial(torch.mm, a, a)) for _ in range(5))
        source, target = np.ones(1 << 26, np.uint8), np.empty(1 << 26, np.uint8)
        copy_ms = min(elapsed_ms(partial(np.copyto, target, source)) for _ in range(10))
        return cls(2 * 2048**3 / product_ms / 1e6, 2 * source.nbytes / copy_ms / 1e6)

    def arithmetic_ms(self, run: Callable[[], Any], module: str = "Global") -> float:
        """Of a PyTorch computation, or of one of its modules: `CLIPModel.vision_model`."""
        with FlopCounterMode(display=False) as counter:
            run()
        return float(sum(counter.get_flop_counts()[module].values())) / self.gflops / 1e6

    def copying_ms(self, *arrays: Any) -> float:
        """Of reading or writing these arrays once."""
        return float(sum(array.nbytes for array in arrays)) / self.gb_s / 1e6
