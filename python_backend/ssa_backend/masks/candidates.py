"""The masks that mask generation is weighing: a table, one row a mask."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ssa_backend.rle import Runs


@dataclass(frozen=True)
class Candidates:
    """N masks.

    Attributes:
        runs: N masks, in pixels of the image; a thousand of a large image would be gigabytes drawn.
        boxes_xyxy: int64 [N, 4], in pixels of the image, the last pixel included.
        predicted_iou: float32 [N].
        stability_score: float32 [N].
        points: float32 [N, 2], x and y of the prompt in pixels of the image.
        crops_xyxy: int64 [N, 4], the crop each was found in, the last pixel excluded.
    """

    runs: Sequence[Runs]
    boxes_xyxy: npt.NDArray[np.int64]
    predicted_iou: npt.NDArray[np.float32]
    stability_score: npt.NDArray[np.float32]
    points: npt.NDArray[np.float32]
    crops_xyxy: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.runs)

    def take(self, rows: npt.NDArray[np.int64]) -> Candidates:
        """The rows at these indices, in this order."""
        return Candidates(
            [self.runs[i] for i in rows],
            self.boxes_xyxy[rows],
            self.predicted_iou[rows],
            self.stability_score[rows],
            self.points[rows],
            self.crops_xyxy[rows],
        )


def concatenate(parts: Sequence[Candidates]) -> Candidates:
    """All rows of `parts`, in order; at least one part."""
    return Candidates(
        [runs for part in parts for runs in part.runs],
        np.concatenate([part.boxes_xyxy for part in parts]),
        np.concatenate([part.predicted_iou for part in parts]),
        np.concatenate([part.stability_score for part in parts]),
        np.concatenate([part.points for part in parts]),
        np.concatenate([part.crops_xyxy for part in parts]),
    )
