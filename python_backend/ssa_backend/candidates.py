"""The masks that mask generation is weighing: a table, one row a mask."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class Window:
    """A binary mask, kept as the packed bits of the box it occupies.

    A thousand candidates of a large image would be gigabytes as full-size arrays; packed to their
    boxes they are a few megabytes.
    """

    x0: int
    y0: int
    shape_hw: tuple[int, int]
    bits: npt.NDArray[np.uint8]

    @classmethod
    def of(cls, mask: npt.NDArray[np.bool_], x0: int, y0: int) -> Window:
        """Pack `mask`, bool [h, w], whose upper left pixel is (x0, y0) of the image."""
        return cls(x0, y0, (mask.shape[0], mask.shape[1]), np.packbits(mask))

    @property
    def box_xyxy(self) -> tuple[int, int, int, int]:
        """x0, y0, x1, y1 in pixels of the image, the last pixel included."""
        height, width = self.shape_hw
        return self.x0, self.y0, self.x0 + width - 1, self.y0 + height - 1

    def mask(self) -> npt.NDArray[np.bool_]:
        """The mask, bool [h, w]."""
        height, width = self.shape_hw
        flat = np.unpackbits(self.bits, count=height * width)
        return flat.reshape(self.shape_hw).view(np.bool_)


@dataclass(frozen=True)
class Candidates:
    """N masks.

    Attributes:
        windows: N packed masks, in pixels of the image.
        predicted_iou: float32 [N].
        stability_score: float32 [N].
        points: float32 [N, 2], x and y of the prompt in pixels of the image.
        crops_xyxy: int64 [N, 4], the crop each was found in, the last pixel excluded.
    """

    windows: Sequence[Window]
    predicted_iou: npt.NDArray[np.float32]
    stability_score: npt.NDArray[np.float32]
    points: npt.NDArray[np.float32]
    crops_xyxy: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.windows)

    @property
    def boxes_xyxy(self) -> npt.NDArray[np.int64]:
        """The windows' boxes, int64 [N, 4]."""
        return np.array([window.box_xyxy for window in self.windows], np.int64).reshape(-1, 4)

    def take(self, rows: npt.NDArray[np.int64]) -> Candidates:
        """The rows at these indices, in this order."""
        return Candidates(
            [self.windows[i] for i in rows],
            self.predicted_iou[rows],
            self.stability_score[rows],
            self.points[rows],
            self.crops_xyxy[rows],
        )


def concatenate(parts: Sequence[Candidates]) -> Candidates:
    """All rows of `parts`, in order; at least one part."""
    return Candidates(
        [window for part in parts for window in part.windows],
        np.concatenate([part.predicted_iou for part in parts]),
        np.concatenate([part.stability_score for part in parts]),
        np.concatenate([part.points for part in parts]),
        np.concatenate([part.crops_xyxy for part in parts]),
    )
