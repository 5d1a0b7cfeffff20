"""Objects waiting to be painted, the farthest first."""

from collections.abc import Callable

from ssa_export.scenes.geometry import Frame
from ssa_export.scenes.stage import Stage

Draw = Callable[[Stage, Frame], None]


class PaintQueue:
    """Collects objects in any order and paints them from far to near."""

    def __init__(self) -> None:
        self._waiting: list[tuple[float, Draw, Frame]] = []

    def add(self, draw: Draw, frame: Frame, *, nearest_z: float | None = None) -> None:
        """Paint it at `nearest_z` metres in the order, by default where its frame stands."""
        self._waiting.append((frame.z if nearest_z is None else nearest_z, draw, frame))

    def paint(self, stage: Stage) -> None:
        """Paint everything that was added."""
        for _, draw, frame in sorted(self._waiting, key=lambda item: -item[0]):
            draw(stage, frame)


class Slots:
    """Distances along a lane that are already taken."""

    def __init__(self) -> None:
        self._taken: list[tuple[float, float]] = []

    def take(self, start: float, end: float) -> bool:
        """Reserve [start, end] metres if it is free."""
        if any(start < other_end and end > other_start for other_start, other_end in self._taken):
            return False
        self._taken.append((start, end))
        return True
