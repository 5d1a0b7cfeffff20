"""SA-1B's JSON files, as the data set and the tools around it write them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from ssa_client.exceptions import AnnotationReadError


@dataclass(frozen=True)
class Sa1bFile:
    """The masks of one image."""

    annotations: list[dict[str, Any]]  # each with "segmentation", a COCO RLE
    image_id: int | None = None


def parse_sa1b(content: bytes, address: str) -> Sa1bFile:
    """Take an object with `annotations`, as SA-1B has it, or the bare list of some tools.

    The masks themselves are for `SsaClient.label` to check.

    Raises:
        AnnotationReadError: what lay at `address` is no JSON, or holds neither.
    """
    try:
        document = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise AnnotationReadError(f"{address!r} is no JSON: {error}.") from error
    annotations = document.get("annotations") if isinstance(document, dict) else document
    if not isinstance(annotations, list) or not all(isinstance(a, dict) for a in annotations):
        raise AnnotationReadError(
            f"{address!r} has no masks; expected an object with 'annotations', or a list of them."
        )
    image = document.get("image") if isinstance(document, dict) else None
    image_id = image.get("image_id") if isinstance(image, dict) else None
    return Sa1bFile(annotations, image_id if isinstance(image_id, int) else None)
