"""COCO instances: `instances.json`, masks as compressed RLE, the label's confidence as `score`.

Format: https://cocodataset.org/#format-data. `iscrowd` is 0, which pycocotools reads with RLE too.
"""

from __future__ import annotations

from ssa_client.conversions import to_coco
from ssa_client.formats.destination import Destination
from ssa_client.formats.folder import Dataset
from ssa_client.formats.streamed_json import json_object

INFO = {"description": "Semantic Segment Anything"}


def write(dataset: Dataset, destination: Destination) -> None:
    """Write `instances.json`; images and annotations are numbered from 1.

    Raises:
        AnnotationReadError: a file changed under way.
        OSError: it cannot be written.
    """
    categories = dataset.categories
    head = {
        "info": INFO,
        "licenses": [],
        "categories": [{"id": id_, "name": name} for id_, name in categories.names.items()],
    }
    path = destination.out / "instances.json"
    with json_object(path, head, "images", "annotations") as (images, annotations):
        first_id = 1
        for image_id, image in enumerate(dataset, start=1):
            height, width = image.size_hw
            images.append(
                {"id": image_id, "file_name": image.file_name, "height": height, "width": width}
            )
            category_ids = [categories.id_of(mask) for mask in image.masks]
            scores = [mask.confidence for mask in image.masks]
            for entry in to_coco(image.masks, category_ids, scores, image_id, first_id):
                annotations.append(entry)
            first_id += len(image.masks)
