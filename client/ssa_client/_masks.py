"""From whatever masks the caller has to the RLE that travels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from pycocotools import mask as coco_mask

from ssa_backend.rle import encode, runs_of_mask
from ssa_client.exceptions import InvalidRequestError

MaskSource: TypeAlias = "Mapping[str, Any] | npt.NDArray[np.bool_] | npt.NDArray[np.uint8]"
MaskSources: TypeAlias = "Sequence[MaskSource] | npt.NDArray[np.bool_] | npt.NDArray[np.uint8]"

_EXPECTED = (
    "expected a COCO RLE, an annotation with one as its 'segmentation', or a bool or uint8 [H, W]"
)


@dataclass(frozen=True)
class GivenMasks:
    """Masks as the request carries them."""

    counts: tuple[bytes, ...]  # COCO compressed RLE
    size_hw: tuple[int, int] | None  # of all of them; None where there are none
    # What else the annotation of each had; nothing where it was none.
    sources: tuple[Mapping[str, Any], ...]


def encode_masks(masks: MaskSources) -> GivenMasks:
    """COCO's compressed RLE of each of `masks`, in their order.

    Args:
        masks: a sequence, empty too, of COCO RLEs ({"size": [h, w], "counts": str, bytes or a list
            of runs}), of bool or uint8 [H, W] arrays, where a pixel is in the mask unless it is 0,
            or of annotations that hold either as their "segmentation", as SA-1B's and those of
            segment-anything's generator do; or an array [N, H, W].

    Raises:
        InvalidRequestError: one is none of these, or they differ in size.
    """
    if isinstance(masks, np.ndarray) and masks.ndim != 3:
        raise InvalidRequestError(
            f"masks is an array of {list(masks.shape)}; expected [N, H, W] or a sequence of masks."
        )
    if isinstance(masks, str | bytes | Mapping) or not hasattr(masks, "__iter__"):
        raise InvalidRequestError(
            f"masks is a {type(masks).__name__}; expected a sequence of masks, or None."
        )
    size_hw: tuple[int, int] | None = None
    counts, sources = [], []
    for i, mask in enumerate(masks):
        its_size_hw, its_counts = _encode(f"masks[{i}]", mask)
        size_hw = size_hw or its_size_hw
        if its_size_hw != size_hw:
            raise InvalidRequestError(
                f"masks[{i}] is {list(its_size_hw)} pixels (height, width), those before it "
                f"{list(size_hw)}; expected one size, the image's."
            )
        counts.append(its_counts)
        sources.append(_other_fields(mask))
    return GivenMasks(tuple(counts), size_hw, tuple(sources))


def _other_fields(mask: object) -> Mapping[str, Any]:
    if not isinstance(mask, Mapping) or "segmentation" not in mask:
        return {}
    return {name: value for name, value in mask.items() if name != "segmentation"}


def _encode(name: str, mask: object) -> tuple[tuple[int, int], bytes]:
    if isinstance(mask, np.ndarray):
        return _encode_array(name, mask)
    if isinstance(mask, Mapping):
        rle = mask.get("segmentation", mask)
        if isinstance(rle, np.ndarray):  # as segment-anything's generator gives it by default
            return _encode_array(name, rle)
        if isinstance(rle, Mapping):
            return _encode_rle(name, rle)
        raise InvalidRequestError(
            f"{name} has a {type(rle).__name__} as 'segmentation'; expected a COCO RLE."
        )
    raise InvalidRequestError(f"{name} is a {type(mask).__name__}; {_EXPECTED}.")


def _encode_array(name: str, mask: npt.NDArray[Any]) -> tuple[tuple[int, int], bytes]:
    if mask.dtype not in (np.bool_, np.uint8) or mask.ndim != 2:
        raise InvalidRequestError(
            f"{name} is an array of {mask.dtype} {list(mask.shape)}; {_EXPECTED}."
        )
    height, width = mask.shape
    return (height, width), encode(runs_of_mask(mask.astype(np.bool_, copy=False)), (height, width))


def _encode_rle(name: str, rle: Mapping[str, Any]) -> tuple[tuple[int, int], bytes]:
    """The size and compressed counts of an RLE; what is inside them the server checks."""
    size, counts = rle.get("size"), rle.get("counts")
    if not (isinstance(size, Sequence) and len(size) == 2 and all(map(_is_count, size))):
        raise InvalidRequestError(f"{name} has the size {size!r}; expected [height, width].")
    height, width = (int(side) for side in size)
    if isinstance(counts, bytes):
        return (height, width), counts
    if isinstance(counts, str) and counts.isascii():
        return (height, width), counts.encode("ascii")
    if not (isinstance(counts, Sequence) and all(map(_is_count, counts))):
        raise InvalidRequestError(
            f"{name} has {type(counts).__name__} as counts; expected compressed text, or runs."
        )
    if sum(counts) != height * width:
        raise InvalidRequestError(
            f"{name} has runs of {sum(counts)} pixels; expected {height} x {width}."
        )
    compressed: bytes = coco_mask.frPyObjects(
        {"size": [height, width], "counts": list(counts)}, height, width
    )["counts"]
    return (height, width), compressed


def _is_count(value: object) -> bool:
    return isinstance(value, int | np.integer) and not isinstance(value, bool) and int(value) >= 0
