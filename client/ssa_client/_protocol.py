"""The wire: a request from an ensemble's inputs, results from the response's tensors.

Both clients and both pipelines use these functions; names, datatypes and shapes come from
`ssa_backend.specs`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
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
    model: str,
    ensemble: specs.Ensemble,
    inputs: Mapping[specs.Tensor, Sequence[bytes]],
    settings: Mapping[str, Setting],
    *,
    leave_out: Collection[specs.Tensor] = (),
) -> InferArguments:
    """The arguments of one `infer` call.

    Args:
        model: the name that `ensemble` is served under.
        ensemble: what declares the inputs and outputs.
        inputs: the values of each input, BYTES `[N]`; an optional one may be absent.
        settings: request parameters; names and ranges are the server's to check.
        leave_out: outputs that do not travel.

    Raises:
        InvalidRequestError: a setting is neither a number nor text.
    """
    return {
        "model_name": model,
        "inputs": [
            _input(tensor, inputs[tensor])
            for tensor in ensemble.inputs
            if not (tensor.optional and tensor not in inputs)
        ],
        "outputs": [
            InferRequestedOutput(output.name)
            for output in ensemble.outputs
            if output not in leave_out
        ],
        "parameters": {name: _as_text(name, value) for name, value in settings.items()},
    }


def _input(tensor: specs.Tensor, values: Sequence[bytes]) -> InferInput:
    request_input = InferInput(tensor.name, [len(values)], tensor.datatype)
    request_input.set_data_from_numpy(np.array(values, dtype=tensor.numpy_dtype))
    return request_input


def _as_text(name: str, value: object) -> str:
    """A setting as text, which every release of Triton carries; not all of them carry floats."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, str):
        return value
    if isinstance(value, int | float) and not isinstance(value, bool):
        return repr(value)
    raise InvalidRequestError(f"setting {name!r} is {value!r}; expected a number.")


def parse_segmentation(response: InferResult, *, branch: bool) -> SegmentationResult:
    """The closed set's result that a response carries.

    Raises:
        ServerError: a tensor is missing, or its datatype or shape is not the declared one.
    """
    read = TensorReader(response)
    size_hw = read_size_hw(read)
    return SegmentationResult(
        size_hw=size_hw,
        masks=tuple(Mask(**row) for row in read_rows(read, specs.SSA, size_hw)),
        labels=tuple(_values(read(specs.LABELS))),
        semantic_map=cast("npt.NDArray[np.uint16]", read(specs.SEMANTIC_MAP)),
        branch_map=cast("npt.NDArray[np.uint16]", read(specs.BRANCH_MAP)) if branch else None,
    )


def read_size_hw(read: TensorReader) -> tuple[int, int]:
    """Height and width of the image, to which the other tensors are held from then on."""
    height, width = (int(side) for side in read(specs.SIZE))
    read.axes.update(height=height, width=width)
    return height, width


# Fields of the results whose names say more than those of their tensors.
_FIELDS = {
    specs.BBOX: "bbox_xywh",
    specs.CROP_BOX: "crop_box_xywh",
    specs.CLIP_SCORE: "clip_scores",
    specs.CLIPSEG_SHARE: "clipseg_shares",
}


def read_rows(
    read: TensorReader, ensemble: specs.Ensemble, size_hw: tuple[int, int]
) -> Iterator[dict[str, Any]]:
    """For each mask of a response the fields of its result, by name."""
    tensors = [output for output in ensemble.outputs if output.shape[0] == "masks"]
    names = [_FIELDS.get(tensor, tensor.name) for tensor in tensors]
    of_proposals = [
        name
        for name, tensor in zip(names, tensors, strict=True)
        if tensor.shape[1:] == ("proposals",)
    ]
    for values in zip(*(_values(read(tensor)) for tensor in tensors), strict=True):
        row = dict(zip(names, values, strict=True))
        counts = row[specs.SEGMENTATION.name]
        row[specs.SEGMENTATION.name] = {"size": list(size_hw), "counts": counts}
        proposals = sum(map(bool, row[specs.CLASS_PROPOSALS.name]))  # the rest is padding
        row.update({name: row[name][:proposals] for name in of_proposals})
        yield row


def _values(array: npt.NDArray[Any]) -> list[Any]:
    """The rows of an array: a plain value each for [N], a tuple each for [N, K]."""
    if array.ndim == 2:
        return [tuple(_values(row)) for row in array]
    if array.dtype == object:
        return [bytes(value).decode("utf-8") for value in array]
    return cast("list[Any]", array.tolist())


class TensorReader:
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
