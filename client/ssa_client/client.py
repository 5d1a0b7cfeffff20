"""The two clients: one blocking, one for asyncio. What they share is in `_BaseClient`."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Mapping
from types import TracebackType
from typing import Any

import tritonclient.grpc
import tritonclient.grpc.aio
from tritonclient.utils import InferenceServerException

from ssa_backend import specs
from ssa_client._image import ImageSource, encode_image
from ssa_client._labelling import LabelCall
from ssa_client._masks import MaskSources
from ssa_client._protocol import InferArguments, Setting, build_request, parse_segmentation
from ssa_client._retry import Attempts
from ssa_client.exceptions import (
    ModelNotFoundError,
    RequestTimeoutError,
    ServerUnavailableError,
    SsaError,
    from_triton,
)
from ssa_client.label_results import LabelResult
from ssa_client.results import SegmentationResult

DEFAULT_URL = "127.0.0.1:8001"
DEFAULT_MODEL = specs.SSA.name
READY_TIMEOUT_S = 5.0

_CHANNEL_ARGUMENTS = [
    # An image and its maps may be of any size.
    ("grpc.max_send_message_length", -1),
    ("grpc.max_receive_message_length", -1),
    # gRPC refuses to reconnect within its own back-off, a second and more: too long for ours.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1000),
    # How long a connection may take to be made, whatever its name says.
    ("grpc.min_reconnect_backoff_ms", int(READY_TIMEOUT_S * 1000)),
]

_NOT_READY = (ServerUnavailableError, RequestTimeoutError, ModelNotFoundError)


class _BaseClient:
    def __init__(
        self,
        url: str = DEFAULT_URL,
        model: str = DEFAULT_MODEL,
        *,
        timeout_s: float = 60.0,
        retries: int = 2,
    ) -> None:
        if "://" in url:
            raise ValueError(f"url is {url!r}; expected host:port of the gRPC endpoint, no scheme.")
        self.url = url
        self.model = model
        self.timeout_s = timeout_s
        self.retries = retries

    def _segment_request(
        self, image: ImageSource, settings: Mapping[str, Setting], branch: bool
    ) -> InferArguments:
        return build_request(
            self.model,
            specs.SSA,
            {specs.IMAGE: [encode_image(image)]},
            settings,
            leave_out=() if branch else (specs.BRANCH_MAP,),
        )

    def _attempts(self, timeout_s: float | None) -> Attempts:
        return Attempts(self.retries, self.timeout_s if timeout_s is None else timeout_s)


class SsaClient(_BaseClient):
    """Segments and labels images on a server; blocks until the answer is there.

    Args:
        url: `host:port` of the server's gRPC endpoint.
        model: name of the closed-set pipeline on the server, which `segment` asks.
        timeout_s: seconds that a call may take, retries included. When they are over the server
            stops working on it too.
        retries: how often to ask again when the server is unavailable.

    Example:
        >>> with SsaClient() as client:
        ...     result = client.segment("street.jpg", points_per_side=16)
        ...     labels = client.label("street.jpg", classes=["car", "bicycle"])
    """

    def __init__(
        self,
        url: str = DEFAULT_URL,
        model: str = DEFAULT_MODEL,
        *,
        timeout_s: float = 60.0,
        retries: int = 2,
    ) -> None:
        super().__init__(url, model, timeout_s=timeout_s, retries=retries)
        self._triton = tritonclient.grpc.InferenceServerClient(url, channel_args=_CHANNEL_ARGUMENTS)

    def segment(
        self,
        image: ImageSource,
        *,
        branch: bool = False,
        timeout_s: float | None = None,
        **settings: Setting,
    ) -> SegmentationResult:
        """Masks with class names for one image.

        Args:
            image: a path, an encoded image, a PIL image, or uint8 [H, W, 3] RGB or [H, W] gray.
            branch: also fetch `branch_map`, the class map of the segmenter alone.
            timeout_s: instead of the client's.
            settings: mask settings over the server's defaults, such as `points_per_side=16` or
                `pred_iou_thresh=0.9`; an unknown name is answered with the list of known ones.

        Raises:
            SsaError: see `ssa_client.exceptions` for its kinds.
        """
        request = self._segment_request(image, settings, branch)
        response = self._infer(request, self._attempts(timeout_s))
        return parse_segmentation(response, branch=branch)

    def label(
        self,
        image: ImageSource,
        masks: MaskSources | None = None,
        classes: Iterable[str] | None = None,
        *,
        model: str | None = None,
        timeout_s: float | None = None,
        **settings: Setting,
    ) -> LabelResult:
        """Open-vocabulary names for the masks of one image, with what each name rests on.

        Args:
            image: a path, an encoded image, a PIL image, or uint8 [H, W, 3] RGB or [H, W] gray.
            masks: the masks to name, of the image's size (upright, where EXIF turns it); the
                result keeps their order. COCO RLEs, SA-1B annotations or bool or uint8 [H, W]
                arrays, in a sequence that may be empty, or one array [N, H, W]. Without it SAM
                finds the masks.
            classes: names to choose among instead of the engine's own vocabulary.
            model: the engine's name on the server, where it is not the usual one.
            timeout_s: instead of the client's.
            settings: mask settings as for `segment`; only where SAM finds the masks.

        Raises:
            SsaError: see `ssa_client.exceptions` for its kinds. What is wrong with `masks` or
                `classes` is an `InvalidRequestError`.
        """
        call = LabelCall.of(image, masks, classes, settings, model)
        return call.parse(self._infer(call.request, self._attempts(timeout_s)))

    def _infer(self, request: InferArguments, attempts: Attempts) -> tritonclient.grpc.InferResult:
        while True:
            try:
                return self._triton.infer(**request, client_timeout=attempts.remaining_s())
            except InferenceServerException as error:
                wait_s = attempts.wait_s(from_triton(error))
            time.sleep(wait_s)

    def is_ready(self, model: str | None = None) -> bool:
        """Whether the server answers and the model, the client's by default, is loaded."""
        try:
            name = model or self.model
            return bool(self._triton.is_model_ready(name, client_timeout=READY_TIMEOUT_S))
        except InferenceServerException as error:
            return _not_ready(from_triton(error))

    def close(self) -> None:
        """Close the connection; requests under way are cancelled."""
        self._triton.close()

    def __enter__(self) -> SsaClient:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


class AsyncSsaClient(_BaseClient):
    """`SsaClient` for asyncio: cancelling a task cancels its request on the server.

    Arguments are those of `SsaClient`. One client serves one event loop; many requests may be
    under way at once, and the server batches across them.

    Example:
        >>> async with AsyncSsaClient() as client:
        ...     results = await asyncio.gather(*(client.segment(path) for path in paths))
    """

    _triton: Any = None

    def _connected(self) -> Any:
        # A gRPC channel belongs to the event loop that it is created in, and a client may well be
        # created before there is one.
        if self._triton is None:
            self._triton = tritonclient.grpc.aio.InferenceServerClient(
                self.url, channel_args=_CHANNEL_ARGUMENTS
            )
        return self._triton

    async def segment(
        self,
        image: ImageSource,
        *,
        branch: bool = False,
        timeout_s: float | None = None,
        **settings: Setting,
    ) -> SegmentationResult:
        """As `SsaClient.segment`; files are read, and arrays encoded, off the event loop."""
        request = await asyncio.to_thread(self._segment_request, image, settings, branch)
        response = await self._infer(request, self._attempts(timeout_s))
        return parse_segmentation(response, branch=branch)

    async def label(
        self,
        image: ImageSource,
        masks: MaskSources | None = None,
        classes: Iterable[str] | None = None,
        *,
        model: str | None = None,
        timeout_s: float | None = None,
        **settings: Setting,
    ) -> LabelResult:
        """As `SsaClient.label`; files are read, and masks encoded, off the event loop."""
        call = await asyncio.to_thread(LabelCall.of, image, masks, classes, settings, model)
        return call.parse(await self._infer(call.request, self._attempts(timeout_s)))

    async def _infer(
        self, request: InferArguments, attempts: Attempts
    ) -> tritonclient.grpc.InferResult:
        triton = self._connected()
        while True:
            try:
                return await triton.infer(**request, client_timeout=attempts.remaining_s())
            except InferenceServerException as error:
                wait_s = attempts.wait_s(from_triton(error))
            await asyncio.sleep(wait_s)

    async def is_ready(self, model: str | None = None) -> bool:
        """As `SsaClient.is_ready`."""
        try:
            triton = self._connected()
            name = model or self.model
            return bool(await triton.is_model_ready(name, client_timeout=READY_TIMEOUT_S))
        except InferenceServerException as error:
            return _not_ready(from_triton(error))

    async def close(self) -> None:
        """Close the connection; requests under way are cancelled."""
        if self._triton is not None:
            await self._triton.close()
            self._triton = None

    async def __aenter__(self) -> AsyncSsaClient:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()


def _not_ready(error: SsaError) -> bool:
    """False for an error that means "not ready"; any other is raised."""
    if isinstance(error, _NOT_READY):
        return False
    raise error
