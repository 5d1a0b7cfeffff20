"""Which points the mini SAM is asked about while it trains."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

PADDING = -1
"""Instance id of pixels outside the image."""


def draw_prompts(
    rng: np.random.Generator,
    instances: npt.NDArray[np.int64],
    count: int,
    object_share: float,
    min_pixels: int,
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]:
    """Points and the instances that they lie on.

    Drawn by pixel, large regions get most of the points; drawn by object, each object that shows
    at least `min_pixels` gets as many. Objects alone would be mostly tiny ones, which drown the
    signal at the start.

    Args:
        instances: int64 [S, S], `PADDING` outside the image.
        object_share: share of the points that are drawn by object.

    Returns:
        Points float32 [count, 2], x and y in pixels of the view, anywhere within their pixel, as
        mask generation places its grid; and instance ids int64 [count].
    """
    flat = instances.ravel()
    order = np.argsort(flat, kind="stable")
    ids, starts, areas = np.unique(flat[order], return_index=True, return_counts=True)
    inside = ids != PADDING
    large = np.flatnonzero(inside & (areas >= min_pixels))
    by_object = round(count * object_share) if large.size else 0

    chosen = rng.choice(large, by_object) if by_object else np.zeros(0, np.int64)
    on_objects = order[starts[chosen] + (rng.random(by_object) * areas[chosen]).astype(np.int64)]
    anywhere = rng.choice(np.flatnonzero(flat != PADDING), count - by_object)
    pixels = np.concatenate([on_objects, anywhere])

    y, x = np.divmod(pixels, instances.shape[1])
    points = np.stack([x, y], axis=1) + rng.random((count, 2))
    return points.astype(np.float32), flat[pixels]
