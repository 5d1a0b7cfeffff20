"""Segment Anything masks with class names, from a Triton server.

>>> from ssa_client import SsaClient
>>> with SsaClient("127.0.0.1:8001") as client:
...     result = client.segment("street.jpg")
>>> [(mask.class_name, mask.area) for mask in result.masks]
"""

from importlib.metadata import PackageNotFoundError, version

from ssa_client._image import ImageSource
from ssa_client._masks import MaskSource, MaskSources
from ssa_client.client import AsyncSsaClient, SsaClient
from ssa_client.exceptions import (
    AnnotationReadError,
    ImageReadError,
    InvalidRequestError,
    ModelNotFoundError,
    RequestCancelledError,
    RequestTimeoutError,
    ServerError,
    ServerUnavailableError,
    SsaError,
)
from ssa_client.label_results import LabelledMask, LabelResult
from ssa_client.results import Mask, Rle, SegmentationResult
from ssa_client.writers import write_annotation, write_picture

try:
    __version__ = version("ssa-triton")
except PackageNotFoundError:  # run from a source tree that was not installed
    __version__ = "0.0.0+source"

__all__ = [
    "AnnotationReadError",
    "AsyncSsaClient",
    "ImageReadError",
    "ImageSource",
    "InvalidRequestError",
    "LabelResult",
    "LabelledMask",
    "Mask",
    "MaskSource",
    "MaskSources",
    "ModelNotFoundError",
    "RequestCancelledError",
    "RequestTimeoutError",
    "Rle",
    "SegmentationResult",
    "ServerError",
    "ServerUnavailableError",
    "SsaClient",
    "SsaError",
    "__version__",
    "write_annotation",
    "write_picture",
]
