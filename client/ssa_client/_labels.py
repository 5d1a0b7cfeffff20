"""Where a class name fits into a segment without covering another name."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

# Of a name's box, this much must lie on its own segment: small holes do not forbid a place.
_INSIDE = 0.92


class LabelPlacer:
    """Finds places for boxes of text, each free of those found before.

    Args:
        size_hw: height and width of the image, pixels.
    """

    def __init__(self, size_hw: tuple[int, int]) -> None:
        self._free = np.ones(size_hw, np.uint8)

    def place(
        self, region: npt.NDArray[np.bool_], x0: int, y0: int, box_wh: tuple[int, int]
    ) -> tuple[int, int] | None:
        """The centre for a box on `region`, as far from the region's edge as it can be.

        Args:
            region: bool [h, w], a window of the image.
            x0: column of the window's left edge.
            y0: row of its upper edge.
            box_wh: width and height of the box, pixels.

        Returns:
            x, y in the image, or None where the box does not fit.
        """
        if np.count_nonzero(region) < _INSIDE * box_wh[0] * box_wh[1]:
            return None  # what most segments are: too small, whatever their shape
        height, width = region.shape
        free = self._free[y0 : y0 + height, x0 : x0 + width]
        usable = np.pad(region & (free > 0), 1).astype(np.uint8)
        allowed = (_covered(np.pad(region, 1), box_wh) >= _INSIDE) & (
            _covered(np.pad(free, 1), box_wh) == 1.0
        )
        distance = cv2.distanceTransform(usable, cv2.DIST_L2, cv2.DIST_MASK_3) * allowed
        row, column = np.unravel_index(int(distance.argmax()), distance.shape)
        if distance[row, column] <= 0:
            return None
        x, y = x0 + int(column) - 1, y0 + int(row) - 1
        self._take(x, y, box_wh)
        return x, y

    def _take(self, x: int, y: int, box_wh: tuple[int, int]) -> None:
        half_w, half_h = box_wh[0] // 2 + 1, box_wh[1] // 2 + 1
        top, left = max(y - half_h, 0), max(x - half_w, 0)
        self._free[top : y + half_h + 1, left : x + half_w + 1] = 0


def _covered(area: npt.NDArray[np.generic], box_wh: tuple[int, int]) -> npt.NDArray[np.float64]:
    """How much of a box centred at each pixel lies on `area` [h, w], 0 to 1; outside is off."""
    sums = cv2.boxFilter(
        area.astype(np.uint8), cv2.CV_32S, box_wh, normalize=False, borderType=cv2.BORDER_CONSTANT
    )
    share: npt.NDArray[np.float64] = sums / (box_wh[0] * box_wh[1])
    return share
