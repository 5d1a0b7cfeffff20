"""Results on disk in the formats that other tools read; `ssa convert` is the command.

Each format is a module with a function `write(dataset, destination)`. To add one, write its module
and name it in `FORMATS`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module

from ssa_client.formats.destination import Destination
from ssa_client.formats.folder import Categories, Dataset, Survey, find_stored
from ssa_client.formats.stored import StoredImage, StoredMask, read_stored

__all__ = [
    "FORMATS",
    "Categories",
    "Dataset",
    "Destination",
    "Format",
    "StoredImage",
    "StoredMask",
    "Survey",
    "find_stored",
    "read_stored",
]


@dataclass(frozen=True)
class Format:
    """A format, loaded when it is asked for.

    `needs_images`: it cannot be written without the images.
    """

    module: str
    needs_images: bool = False

    def load(self) -> Callable[[Dataset, Destination], None]:
        """The function that writes it.

        Raises:
            ImportError: the extra `formats` is not installed, and the format needs it.
        """
        write: Callable[[Dataset, Destination], None]
        write = import_module(f"ssa_client.formats.{self.module}").write
        return write


FORMATS = {
    "coco": Format("coco"),
    "coco-panoptic": Format("coco_panoptic"),
    "label-studio": Format("label_studio"),
    "cvat": Format("cvat"),
    "yolo": Format("yolo"),
    "hf": Format("huggingface", needs_images=True),
}
