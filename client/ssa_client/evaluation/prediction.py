"""Where class maps come from: a running server, or JSON files of an earlier run."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from pycocotools import mask as coco_mask

from ssa_client._image import open_image
from ssa_client.client import AsyncSsaClient
from ssa_client.evaluation.classes import require_same_names
from ssa_client.evaluation.errors import ClassesError, SampleError
from ssa_client.evaluation.layouts import Sample
from ssa_client.writers import json_path

ClassMap = npt.NDArray[np.uint16]


@dataclass(frozen=True)
class Prediction:
    """Class ids [H, W] of SSA and, where it is known, of the segmenter alone."""

    ssa: ClassMap
    branch: ClassMap | None


Predict = Callable[[Sample, bytes], Awaitable[Prediction]]
"""From a sample and its encoded image to what is predicted for it."""


class Served:
    """Asks a server.

    Args:
        client: connected to it.
        names: the classes that every answer must have.
        settings: mask settings over the server's defaults.
        bgr: swap red and blue before sending, as the original SSA did in its published figures.
    """

    def __init__(
        self,
        client: AsyncSsaClient,
        names: tuple[str, ...],
        settings: Mapping[str, Any],
        *,
        bgr: bool = False,
    ) -> None:
        self._client = client
        self._names = names
        self._settings = dict(settings)
        self._bgr = bgr

    async def __call__(self, _sample: Sample, image: bytes) -> Prediction:
        """Both maps.

        Raises:
            SsaError: as `AsyncSsaClient.segment`.
            ClassesError: the answer has other classes than the server was asked about before.
        """
        source = await asyncio.to_thread(_swapped, image) if self._bgr else image
        result = await self._client.segment(source, branch=True, **self._settings)
        if result.labels != self._names:
            raise ClassesError(
                "the server's classes changed under way; was another model repository loaded?"
            )
        return Prediction(result.semantic_map, result.branch_map)


def _swapped(image: bytes) -> npt.NDArray[np.uint8]:
    """The image with red and blue in each other's place: uint8 [H, W, 3]."""
    rgb = np.asarray(open_image(image).convert("RGB"))
    return np.ascontiguousarray(rgb[..., ::-1])


class Stored:
    """Reads `<name>_semantic.json` as `ssa segment` writes it, and the original SSA too.

    Args:
        folder: of the files; in it, or below it as the images lie in theirs.
        names: the classes of the data set.
    """

    def __init__(self, folder: Path, names: tuple[str, ...]) -> None:
        self._folder = folder
        self._names = names

    async def __call__(self, sample: Sample, _image: bytes) -> Prediction:
        """SSA's map alone; the files do not hold the segmenter's.

        Raises:
            SampleError: the file is missing or is none of its kind.
            ClassesError: it names the classes otherwise than the data set does.
        """
        return await asyncio.to_thread(self._read, sample)

    def _read(self, sample: Sample) -> Prediction:
        path = self._path(sample)
        try:
            document = json.loads(path.read_text("utf-8"))
            rles = {int(id_): rle for id_, rle in document["semantic_mask"].items()}
            names = {int(id_): name for id_, name in document.get("semantic_names", {}).items()}
            class_map = _painted(rles)
        except FileNotFoundError:
            raise SampleError(f"no result: expected {path}.") from None
        except OSError as error:
            raise SampleError(f"cannot read {path}: {error.strerror}.") from error
        # RLEs that are none make pycocotools raise whatever comes up.
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise SampleError(
                f"{path} is not as `ssa segment` writes it: {error!r}; expected JSON with "
                "`semantic_mask`, one COCO RLE per class id, that together cover each pixel once."
            ) from error
        beyond = sorted(id_ for id_ in {*rles, *names} if not 0 <= id_ < len(self._names))
        if beyond:
            raise ClassesError(
                f"{path} has the class ids {', '.join(map(str, beyond))}; "
                f"the data set's go from 0 to {len(self._names) - 1}."
            )
        require_same_names({id_: self._names[id_] for id_ in names}, names, str(path))
        return Prediction(class_map, None)

    def _path(self, sample: Sample) -> Path:
        flat = json_path(self._folder, sample.image.stem)
        nested = json_path(self._folder / Path(sample.name).parent, sample.image.stem)
        return nested if nested.is_file() else flat


def _painted(rles: Mapping[int, Any]) -> ClassMap:
    """The class map [H, W] that RLEs by class id make up.

    Raises:
        ValueError: they do not cover each pixel once.
    """
    sizes = {tuple(rle["size"]) for rle in rles.values()}
    if len(sizes) != 1:
        raise ValueError(f"masks of the sizes {sorted(sizes)}")
    size_hw = sizes.pop()
    class_map = np.zeros(size_hw, np.uint16)
    covered = np.zeros(size_hw, np.uint16)
    for class_id, rle in rles.items():
        mask = coco_mask.decode(rle)
        class_map[mask.view(np.bool_)] = class_id
        covered += mask
    if not (covered == 1).all():
        raise ValueError(f"{np.count_nonzero(covered != 1)} pixels are not covered once")
    return class_map
