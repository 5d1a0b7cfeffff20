"""A first inference through every ensemble: the server is ready when one was answered.

Triton's ready flag says that models are loaded. A stub whose first run fails, or takes long
because something is built on first use, shows only in an inference.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tritonclient.grpc as triton
from numpy.typing import NDArray
from PIL import Image

from ssa_backend import rle, specs
from ssa_backend.embedded.errors import EmbeddedServerError

WarmUp = Callable[[str], None]

_SIDE = 64
_SQUARE = slice(_SIDE // 4, -_SIDE // 4)
# The least work that still goes through every model: one prompt, whatever the preset's grid.
_PARAMETERS = {"points_per_side": 1, "crop_n_layers": 0}
# The channel is closed with the client and shares no back-off with others to the same address.
_CHANNEL_ARGUMENTS = [("grpc.use_local_subchannel_pool", 1)]


def ensembles_in(repository: Path) -> list[specs.Ensemble]:
    """The ensembles that the repository serves."""
    return [e for e in specs.ENSEMBLES if (repository / e.name / "config.pbtxt").is_file()]


def warm_up_of(ensembles: Sequence[specs.Ensemble], timeout_s: float) -> WarmUp:
    """A function that sends one small image through each ensemble at a gRPC address.

    It raises `EmbeddedServerError` when one does not answer within `timeout_s`.
    """

    def warm_up(grpc_url: str) -> None:
        with triton.InferenceServerClient(grpc_url, channel_args=_CHANNEL_ARGUMENTS) as client:
            for ensemble in ensembles:
                _infer(client, ensemble, timeout_s)

    return warm_up


def _infer(client: Any, ensemble: specs.Ensemble, timeout_s: float) -> None:
    inputs = []
    for tensor in ensemble.inputs:
        if tensor.optional:
            continue
        array = SAMPLES[tensor.name]()
        request_input = triton.InferInput(tensor.name, list(array.shape), tensor.datatype)
        request_input.set_data_from_numpy(array)
        inputs.append(request_input)
    try:
        # Masks that come with the request leave nothing to set.
        parameters = {} if specs.MASKS in ensemble.inputs else _PARAMETERS
        client.infer(ensemble.name, inputs, parameters=parameters, client_timeout=timeout_s)
    except triton.InferenceServerException as error:
        raise EmbeddedServerError(
            f"the first inference through {ensemble.name!r} failed: {error.message()}"
        ) from error


def _image() -> NDArray[Any]:
    """A PNG with a light square on a dark ground, as IMAGE takes it."""
    pixels = np.full((_SIDE, _SIDE, 3), 40, np.uint8)
    pixels[_SQUARE, _SQUARE] = 200
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return np.array([buffer.getvalue()], dtype=object)


def _masks() -> NDArray[Any]:
    """The square, as MASKS takes it."""
    window = np.ones((_SIDE // 2, _SIDE // 2), np.bool_)
    runs = rle.runs_of_window(window, _SIDE // 4, _SIDE // 4, _SIDE)
    return np.array([rle.encode(runs, (_SIDE, _SIDE))], dtype=object)


# An example for each input that an ensemble must have.
SAMPLES: dict[str, Callable[[], NDArray[Any]]] = {
    specs.IMAGE.name: _image,
    specs.MASKS.name: _masks,
}
