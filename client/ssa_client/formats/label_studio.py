"""Label Studio: `tasks.json` to import, masks as brush predictions, and `label_config.xml`.

Written by hand: label-studio-sdk cannot live beside opencv-python-headless, and builds its RLE a
character at a time. Format: https://labelstud.io/tags/brushlabels and, for the RLE, thi.ng's
rle-pack, https://github.com/thi-ng/umbrella/tree/develop/packages/rle-pack.
"""

from __future__ import annotations

from typing import Any
from xml.sax.saxutils import quoteattr

import numpy as np

from ssa_backend import rle
from ssa_client._palette import class_colors
from ssa_client.formats.destination import Destination
from ssa_client.formats.folder import Categories, Dataset
from ssa_client.formats.stored import StoredImage, StoredMask
from ssa_client.formats.streamed_json import json_list
from ssa_client.writers import replacing

_FROM_NAME, _TO_NAME = "label", "image"
_CHANNELS = 4  # Label Studio draws RGBA, and the RLE is of its bytes
_INSIDE = 255
_WORD_BITS = 8
# A run's length takes so many bits; two bits before it say which.
_LENGTH_BITS = (3, 4, 8, 16)
_LONGEST = 1 << _LENGTH_BITS[-1]


def write(dataset: Dataset, destination: Destination) -> None:
    """Write `tasks.json` and `label_config.xml`.

    Raises:
        AnnotationReadError: a file changed under way.
        OSError: something cannot be written.
    """
    with replacing(destination.out / "label_config.xml") as file:
        file.write(_config(dataset.categories).encode("utf-8"))
    with json_list(destination.out / "tasks.json") as tasks:
        for image in dataset:
            tasks.append(_task(image, destination.image_url + image.file_name))


def encode_brush(mask: StoredMask) -> list[int]:
    """Label Studio's RLE of a mask, with 255 in all four channels inside.

    A header (32 bits for the number of bytes, 5 for bits in a word, less 1, and 4 for each of the
    widths a length may have, less 1), then for each run: 1, which width, length less 1, value.
    """
    height, width = mask.segmentation["size"]
    pixels = height * width
    x0, y0, _, _ = mask.box_xyxy
    # With rows in the place of columns, these are runs along rows.
    runs = rle.runs_of_window(mask.window().T, y0, x0, width)
    edges = np.stack([runs.starts, runs.starts + runs.lengths], axis=1).ravel()
    lengths = np.diff(np.concatenate([[0], edges, [pixels]])) * _CHANNELS
    inside = False
    bits = [f"{pixels * _CHANNELS:032b}{_WORD_BITS - 1:05b}"]
    bits += [f"{width - 1:04b}" for width in _LENGTH_BITS]
    for length in lengths.tolist():
        word = f"{_INSIDE if inside else 0:0{_WORD_BITS}b}"
        for part in _parts(length):
            choice = next(i for i, width in enumerate(_LENGTH_BITS) if part <= 1 << width)
            bits.append(f"1{choice:02b}{part - 1:0{_LENGTH_BITS[choice]}b}{word}")
        inside = not inside
    text = "".join(bits)
    text += "0" * (-len(text) % 8)
    return list(int(text, 2).to_bytes(len(text) // 8, "big"))


def _parts(length: int) -> list[int]:
    """A run's length in parts that can be written; nothing of one that is empty."""
    full, rest = divmod(length, _LONGEST)
    return [_LONGEST] * full + [rest] * (rest > 0)


def _task(image: StoredImage, url: str) -> dict[str, Any]:
    height, width = image.size_hw
    regions = [
        {
            "id": str(mask.id),
            "type": "brushlabels",
            "from_name": _FROM_NAME,
            "to_name": _TO_NAME,
            "original_width": width,
            "original_height": height,
            "image_rotation": 0,
            "score": mask.confidence,
            "value": {
                "format": "rle",
                "rle": encode_brush(mask),
                "brushlabels": [mask.class_name],
            },
        }
        for mask in image.masks
    ]
    prediction = {"model_version": "ssa", "result": regions}
    return {"data": {_TO_NAME: url}, "predictions": [prediction]}


def _config(categories: Categories) -> str:
    labels = [
        f"    <Label value={quoteattr(name)} background={quoteattr(_hex_color(id_))}/>\n"
        for id_, name in categories.names.items()
    ]
    return (
        "<View>\n"
        f'  <Image name="{_TO_NAME}" value="${_TO_NAME}"/>\n'
        f'  <BrushLabels name="{_FROM_NAME}" toName="{_TO_NAME}">\n'
        f"{''.join(labels)}"
        "  </BrushLabels>\n"
        "</View>\n"
    )


def _hex_color(class_id: int) -> str:
    red, green, blue = class_colors(class_id).tolist()
    return f"#{red:02x}{green:02x}{blue:02x}"
