"""Hugging Face datasets: Parquet shards that `load_dataset(OUT)` reads, images inside.

A row is an image and its `objects`, one struct per mask. The features' description travels in the
schema, so that images arrive decoded. Format: https://huggingface.co/docs/datasets/image_dataset.
"""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from datasets import Features, Image, List, Value

from ssa_client.formats.destination import Destination
from ssa_client.formats.folder import Categories, Dataset
from ssa_client.formats.stored import StoredImage, StoredMask

_SHARD_BYTES = 500_000_000  # of images; the Hub's own tools cut there too
_GROUP_BYTES = 50_000_000  # held in memory, and read at once by those who read a part
FEATURES = Features(
    {
        "image": Image(),
        "image_id": Value("int64"),
        "file_name": Value("string"),
        "width": Value("int64"),
        "height": Value("int64"),
        "objects": List(
            {
                "id": Value("int64"),
                "category_id": Value("int64"),
                "category": Value("string"),
                "confidence": Value("float64"),
                "bbox": List(Value("int64")),  # x, y, width, height, counting both end pixels
                "area": Value("int64"),
                "segmentation": {"size": List(Value("int64")), "counts": Value("string")},
            }
        ),
    }
)


def write(dataset: Dataset, destination: Destination) -> None:
    """Write `data/train-00000.parquet` and, as it fills, those after it.

    Raises:
        AnnotationReadError: a file changed under way.
        OSError: something cannot be read or written.
        ValueError: `destination.images` is not given.
    """
    if destination.images is None:
        raise ValueError("the images go into the files; expected the folder they lie in.")
    with _Shards(destination.out / "data") as shards:
        rows: list[dict[str, Any]] = []
        held = 0
        for image_id, image in enumerate(dataset, start=1):
            data = (destination.images / image.file_name).read_bytes()
            rows.append(_row(image_id, image, data, dataset.categories))
            held += len(data)
            if held >= _GROUP_BYTES:
                shards.write(rows, held)
                rows, held = [], 0
        if rows:
            shards.write(rows, held)


class _Shards:
    """Files of about `_SHARD_BYTES` each, the last one whatever is left; at least one."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._files = ExitStack()
        self._count = 0
        self._next()

    def __enter__(self) -> _Shards:
        return self

    def __exit__(self, *_error: object) -> None:
        self._files.close()

    def write(self, rows: list[dict[str, Any]], size: int) -> None:
        """Add a row group that holds images of `size` bytes."""
        if self._size >= _SHARD_BYTES:
            self._next()
        self._writer.write_table(pa.Table.from_pylist(rows, schema=FEATURES.arrow_schema))
        self._size += size

    def _next(self) -> None:
        self._files.close()
        path = self._folder / f"train-{self._count:05d}.parquet"
        self._writer = self._files.enter_context(pq.ParquetWriter(path, FEATURES.arrow_schema))
        self._count += 1
        self._size = 0


def _row(image_id: int, image: StoredImage, data: bytes, categories: Categories) -> dict[str, Any]:
    height, width = image.size_hw
    return {
        "image": {"bytes": data, "path": image.file_name},
        "image_id": image_id,
        "file_name": image.file_name,
        "width": width,
        "height": height,
        "objects": [_object(mask, categories.id_of(mask)) for mask in image.masks],
    }


def _object(mask: StoredMask, category_id: int) -> dict[str, Any]:
    x0, y0, x1, y1 = mask.box_xyxy
    return {
        "id": mask.id,
        "category_id": category_id,
        "category": mask.class_name,
        "confidence": mask.confidence,
        "bbox": [x0, y0, x1 - x0 + 1, y1 - y0 + 1],
        "area": mask.area,
        "segmentation": mask.segmentation,
    }
