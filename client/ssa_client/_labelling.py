"""One call of the engine: what both clients send for `label`, and what they make of the answer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from tritonclient.grpc import InferResult

from ssa_backend import specs
from ssa_client._image import ImageSource, encode_image, size_hw_of
from ssa_client._masks import GivenMasks, MaskSources, encode_masks
from ssa_client._protocol import (
    InferArguments,
    Setting,
    TensorReader,
    build_request,
    read_rows,
    read_size_hw,
)
from ssa_client.exceptions import InvalidRequestError
from ssa_client.label_results import LabelledMask, LabelResult


@dataclass(frozen=True)
class LabelCall:
    """A request to the engine, with what its answer is read by."""

    ensemble: specs.Ensemble
    request: InferArguments
    given: GivenMasks | None

    @classmethod
    def of(
        cls,
        image: ImageSource,
        masks: MaskSources | None,
        classes: Iterable[str] | None,
        settings: Mapping[str, Setting],
        model: str | None,
    ) -> LabelCall:
        """The call for the arguments of `SsaClient.label`.

        Raises:
            ImageReadError: the image file is missing or cannot be read.
            InvalidRequestError: an argument is not what it should be.
        """
        data = encode_image(image)
        inputs = {specs.IMAGE: [data]}
        ensemble, given = specs.SSA_ENGINE, None
        if masks is not None:
            ensemble, given = specs.SSA_ENGINE_MASKS, encode_masks(masks)
            _check_size(given, size_hw_of(data))
            inputs[specs.MASKS] = list(given.counts)
        if classes is not None:
            inputs[specs.CLASSES] = encode_classes(classes)
        request = build_request(model or ensemble.name, ensemble, inputs, settings)
        return cls(ensemble, request, given)

    def parse(self, response: InferResult) -> LabelResult:
        """The result that a response carries.

        Raises:
            ServerError: a tensor is missing, or its datatype or shape is not the declared one.
        """
        read = TensorReader(response)
        size_hw = read_size_hw(read)
        if self.given is None:
            rows = read_rows(read, self.ensemble, size_hw)
            return LabelResult(size_hw, tuple(LabelledMask(**row) for row in rows))
        # As many masks come back as were sent, in their order.
        read.axes["masks"] = len(self.given.counts)
        rows = read_rows(read, self.ensemble, size_hw)
        masks = tuple(
            LabelledMask(**row, **_of_sam(source), source=source)
            for row, source in zip(rows, self.given.sources, strict=True)
        )
        return LabelResult(size_hw, masks)


def encode_classes(classes: Iterable[str]) -> list[bytes]:
    """The names as UTF-8.

    Raises:
        InvalidRequestError: one name in place of several, none, or something that is no text.
    """
    if isinstance(classes, str | bytes):
        raise InvalidRequestError(
            f"classes is {classes!r}; expected several names, such as a list."
        )
    names = list(classes)
    if not names:
        raise InvalidRequestError("classes is empty; expected at least one name, or None.")
    for i, name in enumerate(names):
        if not (isinstance(name, str) and name.strip()):
            raise InvalidRequestError(f"classes[{i}] is {name!r}; expected a name.")
    return [name.encode("utf-8", "replace") for name in names]


def _check_size(given: GivenMasks, size_hw: tuple[int, int] | None) -> None:
    """Refuse masks of another size than the image's, where that is known.

    Counts travel without their size: the server would not notice a height and width that swapped.
    """
    if given.size_hw and size_hw and given.size_hw != size_hw:
        raise InvalidRequestError(
            f"masks are {list(given.size_hw)} pixels (height, width), the image is "
            f"{list(size_hw)}; expected one size."
        )


def _of_sam(annotation: Mapping[str, Any]) -> dict[str, Any]:
    """What an SA-1B annotation says of its mask, as fields of `LabelledMask`."""
    fields: dict[str, Any] = {}
    for name in ("predicted_iou", "stability_score"):
        value = annotation.get(name)
        if isinstance(value, int | float):
            fields[name] = float(value)
    match annotation.get("point_coords"):
        case [[int() | float() as x, int() | float() as y], *_]:
            fields["point_coords"] = (float(x), float(y))
    match annotation.get("crop_box"):
        case [int() | float(), int() | float(), int() | float(), int() | float()] as box:
            fields["crop_box_xywh"] = tuple(int(side) for side in box)
    return fields
