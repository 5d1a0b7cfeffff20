"""What a rendered scene is: the picture and its exact labels."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

UNLABELLED = 255
"""Cityscapes' "ignore" trainId."""


@dataclass(frozen=True)
class Instance:
    """One drawn thing (a car) or visible stuff region (the road), as far as it can be seen."""

    id: int
    class_id: int
    area: int
    """Visible pixels."""
    bbox_xywh: tuple[int, int, int, int]
    """Tight box around the visible pixels, in pixels."""


@dataclass(frozen=True)
class Scene:
    """A picture with per-pixel labels drawn from the same geometry."""

    image: npt.NDArray[np.uint8]
    """[H, W, 3] RGB."""
    class_map: npt.NDArray[np.uint8]
    """[H, W] Cityscapes trainIds, `UNLABELLED` where there is none."""
    instance_map: npt.NDArray[np.int32]
    """[H, W], each pixel the `id` of the instance it shows."""
    instances: tuple[Instance, ...]
    """`instances[i].id == i`."""

    def mask(self, instance_id: int) -> npt.NDArray[np.bool_]:
        """The visible pixels of one instance, [H, W]."""
        return np.equal(self.instance_map, instance_id)


def scene_from_drawing(
    image: npt.NDArray[np.uint8], drawn_ids: npt.NDArray[np.int32], class_ids: list[int]
) -> Scene:
    """Keep the instances that can still be seen and number them from 0.

    `drawn_ids` [H, W] indexes `class_ids`; instances painted over completely disappear.
    """
    width = drawn_ids.shape[1]
    visible, compact = np.unique(drawn_ids, return_inverse=True)
    # ravel and reshape: numpy 1 and 2 disagree about the shape of `return_inverse`.
    # 16 bits, because numpy sorts those by radix: ten times faster.
    flat = compact.ravel().astype(np.uint16)
    instance_map = flat.reshape(drawn_ids.shape).astype(np.int32)
    classes = np.array(class_ids, dtype=np.uint8)[visible]

    order = np.argsort(flat, kind="stable")
    starts = np.searchsorted(flat[order], np.arange(len(visible) + 1))
    instances = []
    for index, class_id in enumerate(classes.tolist()):
        pixels = order[starts[index] : starts[index + 1]]
        ys, xs = np.divmod(pixels, width)
        x0, y0 = int(xs.min()), int(ys.min())
        box = (x0, y0, int(xs.max()) - x0 + 1, int(ys.max()) - y0 + 1)
        instances.append(Instance(index, class_id, len(pixels), box))
    return Scene(image, classes[instance_map], instance_map, tuple(instances))
