"""YOLO segmentation: `data.yaml`, `labels/<name>.txt` and, where images are given, `images/`.

Format: https://docs.ultralytics.com/datasets/segment: a line per object, its class and one polygon,
as shares of the image's width and height. The polygon goes through the middle of the outermost
pixels, so that filling it with cv2.fillPoly, as Ultralytics does, gives the mask again.

One polygon cannot have parts or holes, so they are joined to it by a line there and back. Such a
line is one pixel wide where it runs outside of the mask.
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from ssa_client.formats.destination import Destination
from ssa_client.formats.folder import Categories, Dataset
from ssa_client.formats.stored import StoredImage
from ssa_client.formats.streamed_json import dumps
from ssa_client.writers import replacing

_FEWEST_POINTS = 3  # with less, Ultralytics takes the line for a box
_TRIED_POINTS = (512, 32)  # of the one polygon, and of each part to join to it
# Readers turn shares into pixels again: Ultralytics drops the fraction, supervision rounds. From
# here both find the pixel meant.
_WITHIN_PIXEL = 0.25
Points = npt.NDArray[np.int64]


def write(dataset: Dataset, destination: Destination) -> None:
    """Write labels and `data.yaml`, and take the images.

    Raises:
        AnnotationReadError: a file changed under way.
        OSError: something cannot be read or written.
    """
    categories = dataset.categories
    labels = destination.out / "labels"
    labels.mkdir(parents=True, exist_ok=True)
    for image in dataset:
        (labels / f"{image.stem}.txt").write_text(_lines(image, categories), "utf-8")
        destination.take_image(image.file_name)
    with replacing(destination.out / "data.yaml") as file:
        file.write(_yaml(categories).encode("utf-8"))


def polygon(mask: npt.NDArray[np.bool_]) -> Points:
    """The outline of a mask bool [h, w] with a pixel, in one piece: int64 [N, 2] x, y, N >= 3."""
    found, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    contours = [np.asarray(contour, np.int64).reshape(-1, 2) for contour in found]
    joined = contours[0]
    for contour in contours[1:]:
        joined = _join(joined, contour)
    corners = _corners(joined)
    return np.resize(corners, (max(len(corners), _FEWEST_POINTS), 2))


def _join(one: Points, other: Points) -> Points:
    """`one`, leaving at the point nearest to `other` to go around it and come back."""
    # Near enough is as good, and keeps the distances few where there are many long parts.
    steps = len(one) // _TRIED_POINTS[0] + 1, len(other) // _TRIED_POINTS[1] + 1
    across, down = (np.subtract.outer(one[:: steps[0], i], other[:: steps[1], i]) for i in (0, 1))
    distances = across * across + down * down
    leave, enter = np.unravel_index(distances.argmin(), distances.shape) * np.array(steps)
    around = np.concatenate([other[enter:], other[: enter + 1]])
    return np.concatenate([one[: leave + 1], around, one[leave:]])


def _corners(points: Points) -> Points:
    """The points at which a closed line changes its step."""
    steps = np.roll(points, -1, axis=0) - points
    turns = (steps != np.roll(steps, 1, axis=0)).any(axis=1)
    return points[turns] if turns.any() else points[:1]


def _lines(image: StoredImage, categories: Categories) -> str:
    height, width = image.size_hw
    lines = []
    for mask in image.masks:
        points = (polygon(mask.window()) + mask.box_xyxy[:2] + _WITHIN_PIXEL) / (width, height)
        numbers = " ".join(f"{number:.7g}" for number in points.ravel().tolist())
        lines.append(f"{categories.id_of(mask) - _first(categories)} {numbers}\n")
    return "".join(lines)


def _first(categories: Categories) -> int:
    """YOLO counts from 0, as the closed set's ids do; the engine's are counted from 1."""
    return 0 if categories.closed_set else 1


def _yaml(categories: Categories) -> str:
    """Ultralytics wants a name for each number up to the last; JSON's strings are YAML's."""
    first = _first(categories)
    last = max(categories.names, default=first - 1)
    names = [categories.names.get(id_, f"unused {id_}") for id_ in range(first, last + 1)]
    lines = [f"  {i}: {dumps(name).decode('utf-8')}\n" for i, name in enumerate(names)]
    listed = "names:\n" + "".join(lines) if lines else "names: {}\n"
    # Without a path, it is the folder of this file.
    return f"train: images\nval: images\n{listed}"
