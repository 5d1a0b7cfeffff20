"""The wire: a request from an image and settings, a result from the response's tensors.

Both clients use these two functions; names, datatypes and shapes come from `ssa_backend.specs`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias, TypedDict, cast

import numpy as np
import numpy.typing as npt
from tritonclient.grpc import InferInput, InferRequestedOutput, InferResult

from ssa_backend import specs
from ssa_client.exceptions import InvalidRequestError, ServerError
from ssa_client.results import Mask, SegmentationResult

Setting: TypeAlias = "float | int | str | np.number[Any]"


class InferArguments(TypedDict):
    """Keyword arguments that `infer` of both Triton clients takes."""

    model_name: str
    inputs: list[InferInput]
    outputs: list[InferRequestedOutput]
    parameters: dict[str, str]


def build_request(
    model: str, image: bytes, settings: Mapping[str, Setting], *, branch: bool
) -> InferArguments:
    """The arguments of one `infer` call.

    Args:
        model: name of the ensemble.
        image: one encoded image.
        settings: request parameters; names and ranges are the server's to check.
        branch: ask for `branch_map` too, which otherwise does not travel.

    Raises:
        InvalidRequestError: a setting is neither a number nor text.
    """
    tensor = InferInput(specs.IMAGE.name, [1], specs.IMAGE.datatype)
    tensor.set_data_from_numpy(np.array([image], dtype=specs.IMAGE.numpy_dtype))
    wanted = [o for o in specs.SSA.outputs if branch or o is not specs.BRANCH_MAP]
    return {
        "model_name": model,
        "inputs": [tensor],
        "outputs": [InferRequestedOutput(output.name) for output in wanted],
        "parameters": {name: _as_text(name, value) for name, value in settings.items()},
    }


def _as_text(name: str, value: object) -> str:
    """A setting as text, which every release of Triton carries; not all of them carry floats."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, str):
        return value
    if isinstance(value, int | float) and not isinstance(value, bool):
        return repr(value)
    raise InvalidRequestError(f"setting {name!r} is {value!r}; expected a number.")


def parse_response(response: InferResult, *, branch: bool) -> SegmentationResult:
    """The result that a response carries.

    Raises:
        ServerError: a tensor is missing, or its datatype or shape is not the declared one.
    """
    read = _TensorReader(response)
    height, width = (int(side) for side in read(specs.SIZE))
    read.axes.update(height=height, width=width)
    return SegmentationResult(
        size_hw=(height, width),
        masks=_parse_masks(read, (height, width)),
        labels=tuple(_texts(read(specs.LABELS))),
        semantic_map=cast("npt.NDArray[np.uint16]", read(specs.SEMANTIC_MAP)),
        branch_map=cast("npt.NDArray[np.uint16]", read(specs.BRANCH_MAP)) if branch else None,
    )


def _parse_masks(read: _TensorReader, size_hw: tuple[int, int]) -> tuple[Mask, ...]:
    columns = zip(
        _texts(read(specs.SEGMENTATION)),
        read(specs.BBOX).tolist(),
        read(specs.AREA).tolist(),
        read(specs.PREDICTED_IOU).tolist(),
        read(specs.STABILITY_SCORE).tolist(),
        read(specs.PROMPT_COORDS).tolist(),
        read(specs.CROP_BOX).tolist(),
        read(specs.CLASS_ID).tolist(),
        _texts(read(specs.CLASS_NAME)),
        [_texts(row) for row in read(specs.CLASS_PROPOSALS)],
        read(specs.VOTE_SHARE).tolist(),
        strict=True,
    )
    return tuple(
        Mask(
            segmentation={"size": list(size_hw), "counts": counts},
            bbox_xywh=tuple(bbox),
            area=area,
            predicted_iou=predicted_iou,
            stability_score=stability_score,
            point_coords=tuple(point),
            crop_box_xywh=tuple(crop_box),
            class_id=class_id,
            class_name=class_name,
            class_proposals=tuple(name for name in proposals if name),
            vote_share=vote_share,
        )
        for (
            counts,
            bbox,
            area,
            predicted_iou,
            stability_score,
            point,
            crop_box,
            class_id,
            class_name,
            proposals,
            vote_share,
        ) in columns
    )


def _texts(values: npt.NDArray[Any]) -> list[str]:
    return [bytes(value).decode("utf-8") for value in values]


class _TensorReader:
    """Reads declared tensors from a response and holds them to their declaration.

    An axis name stands for one length throughout the response: `axes` learns it where it is met
    first.
    """

    def __init__(self, response: InferResult) -> None:
        self._response = response
        self.axes: dict[str, int] = {}

    def __call__(self, tensor: specs.Tensor) -> npt.NDArray[Any]:
        array = self._response.as_numpy(tensor.name)
        if array is None:
            raise ServerError(f"the response has no tensor {tensor.name!r}{_OTHER_VERSION}")
        fits = array.dtype == tensor.numpy_dtype and array.ndim == len(tensor.shape)
        if not fits or any(map(self._differs, tensor.shape, array.shape)):
            expected = [self.axes.get(str(axis), axis) for axis in tensor.shape]
            raise ServerError(
                f"tensor {tensor.name!r} of the response is {array.dtype} {list(array.shape)}; "
                f"expected {tensor.datatype} {expected}{_OTHER_VERSION}"
            )
        return cast("npt.NDArray[Any]", array)

    def _differs(self, axis: specs.Axis, length: int) -> bool:
        return length != (axis if isinstance(axis, int) else self.axes.setdefault(axis, length))


_OTHER_VERSION = "; does the server run another version of the model repository?"
