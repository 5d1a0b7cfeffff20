"""CVAT for images 1.1: `annotations.xml`, masks as RLE, and where they are given `images/`.

Written by hand, one image at a time, as the format is small and cvat-sdk has no writer of it.
Format: https://docs.cvat.ai/docs/manual/advanced/xml_format. Boxes have both ends inside; the RLE
counts pixels of the box row by row, those outside of the mask first.
"""

from __future__ import annotations

from collections.abc import Mapping
from xml.etree.ElementTree import Element, SubElement, tostring

import numpy as np
import numpy.typing as npt

from ssa_client._palette import class_colors
from ssa_client.formats.destination import Destination
from ssa_client.formats.folder import Categories, Dataset
from ssa_client.formats.stored import StoredImage, StoredMask
from ssa_client.writers import replacing


def write(dataset: Dataset, destination: Destination) -> None:
    """Write `annotations.xml`, and take the images; they are numbered from 0, as CVAT does.

    Raises:
        AnnotationReadError: a file changed under way.
        OSError: something cannot be read or written.
    """
    with replacing(destination.out / "annotations.xml") as file:
        file.write(b'<?xml version="1.0" encoding="utf-8"?>\n<annotations>\n')
        file.write(b"<version>1.1</version>\n")
        file.write(tostring(_meta(len(dataset), dataset.categories), "utf-8") + b"\n")
        for number, image in enumerate(dataset):
            destination.take_image(image.file_name)
            file.write(tostring(_image(number, image), "utf-8") + b"\n")
        file.write(b"</annotations>\n")


def row_runs(window: npt.NDArray[np.bool_]) -> list[int]:
    """Lengths of the runs of a window bool [h, w], row by row; the first is outside, 0 if none."""
    flat = window.ravel()
    edges = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    lengths: list[int] = np.diff(np.concatenate([[0], edges, [flat.size]])).tolist()
    return [0, *lengths] if flat[0] else lengths


def _image(number: int, image: StoredImage) -> Element:
    height, width = image.size_hw
    attributes = {"id": number, "name": image.file_name, "width": width, "height": height}
    element = Element("image", _texts(attributes))
    for mask in image.masks:  # the largest first, so that smaller ones lie on top
        SubElement(element, "mask", _texts(_mask(mask)))
    return element


def _mask(mask: StoredMask) -> dict[str, object]:
    x0, y0, x1, y1 = mask.box_xyxy
    return {
        "label": mask.class_name,
        "source": "auto",
        "occluded": 0,
        "rle": ", ".join(map(str, row_runs(mask.window()))),
        "left": x0,
        "top": y0,
        "width": x1 - x0 + 1,
        "height": y1 - y0 + 1,
        "z_order": 0,
    }


def _meta(images: int, categories: Categories) -> Element:
    meta = Element("meta")
    task = SubElement(meta, "task")
    for name, value in {"name": "ssa", "size": images, "mode": "annotation"}.items():
        SubElement(task, name).text = str(value)
    labels = SubElement(task, "labels")
    for id_, name in categories.names.items():
        label = SubElement(labels, "label")
        color = "#{:02x}{:02x}{:02x}".format(*class_colors(id_).tolist())
        for tag, text in {"name": name, "color": color, "type": "mask"}.items():
            SubElement(label, tag).text = text
        SubElement(label, "attributes")
    return meta


def _texts(attributes: Mapping[str, object]) -> dict[str, str]:
    return {name: str(value) for name, value in attributes.items()}
