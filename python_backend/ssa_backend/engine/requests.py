"""What a request to the engine may bring along, checked before any network runs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from ssa_backend import rle
from ssa_backend.errors import InvalidInputError
from ssa_backend.rle import Runs, boxes_xyxy

MAX_CLASSES = 10_000
MAX_NAME_BYTES = 1_000


def read_classes(names: Sequence[bytes]) -> list[str]:
    """The vocabulary of a request, without repetitions.

    Raises:
        InvalidInputError: there is no name, there are too many, or one is blank, too long or no
            UTF-8.
    """
    if not 1 <= len(names) <= MAX_CLASSES:
        raise InvalidInputError(
            f"CLASSES has {len(names)} names; expected 1 to {MAX_CLASSES}, "
            "or no CLASSES for an open vocabulary."
        )
    return list(dict.fromkeys(_read_name(name, i) for i, name in enumerate(names)))


def _read_name(name: bytes, index: int) -> str:
    if len(name) > MAX_NAME_BYTES:
        raise InvalidInputError(
            f"CLASSES[{index}] has {len(name)} bytes; at most {MAX_NAME_BYTES} are accepted."
        )
    try:
        text = name.decode()
    except UnicodeDecodeError:
        raise InvalidInputError(f"CLASSES[{index}] is {name!r}, which is no UTF-8.") from None
    if not text.strip():
        raise InvalidInputError(f"CLASSES[{index}] is {text!r}; expected a name.")
    return text


def read_masks(counts: Sequence[bytes], size_hw: tuple[int, int]) -> list[Runs]:
    """The masks of a request; `size_hw` is the size of its image.

    Raises:
        InvalidInputError: names the first mask that is broken, of another size or empty.
    """
    return [_read_mask(mask, index, size_hw) for index, mask in enumerate(counts)]


def _read_mask(counts: bytes, index: int, size_hw: tuple[int, int]) -> Runs:
    try:
        runs = rle.decode(counts, size_hw)
    except InvalidInputError as error:
        raise InvalidInputError(f"MASKS[{index}]: {error}") from None
    if not runs.area:
        raise InvalidInputError(f"MASKS[{index}] is empty: none of its pixels is set.")
    return runs


def boxes_xywh(masks: Sequence[Runs], height: int) -> npt.NDArray[np.int32]:
    """The masks' boxes as segment-anything gives them (width is x1 - x0), int32 [N, 4]."""
    boxes: npt.NDArray[np.int32] = boxes_xyxy(masks, height).astype(np.int32)
    boxes[:, 2:] -= boxes[:, :2]
    return boxes
