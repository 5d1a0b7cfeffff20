"""COCO panoptic: `panoptic.json`, and `panoptic/<name>.png` with a segment id in each pixel.

Format: https://cocodataset.org/#format-data; a segment's id is R + 256 G + 65536 B, 0 is void.
Masks are made disjoint as `ssa_client.structure.panoptic_map` says. Pixels that no mask covers are
void: the closed set has a class for them, but no segment.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image
from pycocotools import mask as coco_mask

from ssa_client._palette import class_colors
from ssa_client.formats.coco import INFO
from ssa_client.formats.destination import Destination
from ssa_client.formats.folder import Categories, Dataset
from ssa_client.formats.stored import StoredImage
from ssa_client.formats.streamed_json import json_object
from ssa_client.structure import panoptic_map, visible_segmentations
from ssa_client.writers import write_picture

_MASKS = "panoptic"


def write(dataset: Dataset, destination: Destination) -> None:
    """Write `panoptic.json` and the folder of PNG beside it; images are numbered from 1.

    Raises:
        AnnotationReadError: a file changed under way.
        OSError: something cannot be written.
    """
    categories = dataset.categories
    head = {
        "info": INFO,
        "licenses": [],
        "categories": [_category(id_, name) for id_, name in categories.names.items()],
    }
    path = destination.out / "panoptic.json"
    with json_object(path, head, "images", "annotations") as (images, annotations):
        for image_id, image in enumerate(dataset, start=1):
            height, width = image.size_hw
            panoptic = panoptic_map(image.masks, image.size_hw)
            picture = f"{image.stem}.png"
            write_picture(destination.out / _MASKS / picture, _picture(panoptic + 1))
            images.append(
                {"id": image_id, "file_name": image.file_name, "height": height, "width": width}
            )
            annotations.append(
                {
                    "image_id": image_id,
                    "file_name": picture,
                    "segments_info": list(_segments(image, panoptic, categories)),
                }
            )


def _category(id_: int, name: str) -> dict[str, Any]:
    # Every segment is one mask: nothing here is stuff, which has one segment for all its regions.
    color = class_colors(id_).tolist()
    return {"id": id_, "name": name, "supercategory": name, "isthing": 1, "color": color}


def _picture(ids: npt.NDArray[np.int32]) -> Image.Image:
    """Ids [H, W] as colours."""
    channels = [(ids >> shift) & 255 for shift in (0, 8, 16)]
    return Image.fromarray(np.stack(channels, axis=-1).astype(np.uint8))


def _segments(
    image: StoredImage, panoptic: npt.NDArray[np.int32], categories: Categories
) -> Iterator[dict[str, Any]]:
    """`segments_info` of the masks of which anything is to be seen."""
    visible = visible_segmentations(panoptic, len(image.masks))
    for index, (mask, part) in enumerate(zip(image.masks, visible, strict=True)):
        if area := int(coco_mask.area(part)):
            yield {
                "id": index + 1,
                "category_id": categories.id_of(mask),
                "area": area,
                "bbox": coco_mask.toBbox(part).astype(int).tolist(),
                "iscrowd": 0,
            }
