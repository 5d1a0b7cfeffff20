"""The closed set's steps in one process: what the server runs, without the server."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import Queue
from typing import Any

import numpy as np
import numpy.typing as npt

from ssa_backend import rle, specs
from ssa_backend.embedded.network_runner import Arrays
from ssa_backend.embedded.onnx_runner import OnnxRunner, model_file
from ssa_backend.images import decode_image, sam_pixel_values, segmenter_pixel_values
from ssa_backend.masks.generation import FloatArray, GeneratedMasks, MaskGenerator
from ssa_backend.settings import RepositorySettings, SegmenterSettings
from ssa_backend.voting import Labels, label_masks


class ClosedSet:
    """Each network as often, and on as many threads, as the embedded server runs it."""

    def __init__(self, repository: Path) -> None:
        self.settings = RepositorySettings.load(repository)
        self._runners: dict[str, Queue[OnnxRunner]] = {}
        for model in (specs.SAM_IMAGE_ENCODER, specs.SAM_MASK_DECODER, specs.SEMANTIC_SEGMENTER):
            runners = self._runners[model.name] = Queue()
            for _ in range(model.instances):
                path = model_file(repository / model.name / "1")
                runners.put(OnnxRunner(path, batches=False, instances=model.instances))
        self._generator = MaskGenerator(self.settings.sam, self.encode, self.decode)

    @property
    def segmenter(self) -> SegmenterSettings:
        """The semantic segmenter's settings."""
        assert self.settings.segmenter
        return self.settings.segmenter

    def run(self, data: bytes) -> Labels:
        """An encoded image to labels."""
        rgb = decode_image(data, self.settings.images, self.settings.sam)
        pixels = sam_pixel_values(rgb, self.settings.sam)
        segmenter_pixels = segmenter_pixel_values(rgb, self.segmenter)
        logits = self.segment(segmenter_pixels)
        return self.label(rgb, self.generate(rgb, self.encode(pixels)), logits)

    def encode(self, pixels: FloatArray) -> FloatArray:
        """[N, 3, S, S] to [N, C, G, G]."""
        return self._answer(specs.SAM_IMAGE_ENCODER, pixels)[0]

    def decode(
        self, embedding: FloatArray, points: FloatArray, labels: npt.NDArray[Any], min_iou: float
    ) -> tuple[FloatArray, FloatArray]:
        """See `ssa_backend.masks.generation.Decode`."""
        threshold = np.array([min_iou], np.float32)
        masks, ious = self._answer(specs.SAM_MASK_DECODER, embedding, points, labels, threshold)
        return masks, ious

    def segment(self, pixels: FloatArray) -> FloatArray:
        """[1, 3, h, w] to [1, K, h', w']."""
        return self._answer(specs.SEMANTIC_SEGMENTER, pixels)[0]

    def generate(self, rgb: npt.NDArray[np.uint8], embedding: FloatArray) -> GeneratedMasks:
        """All masks, as the repository's settings want them."""
        return self._generator.generate(rgb, embedding, self.settings.masks)

    def label(
        self, rgb: npt.NDArray[np.uint8], masks: GeneratedMasks, logits: FloatArray
    ) -> Labels:
        """The vote."""
        size_hw = (rgb.shape[0], rgb.shape[1])
        runs = [rle.decode(counts, size_hw) for counts in masks.segmentation]
        return label_masks(logits[0], runs, size_hw, self.segmenter.align_corners)

    def _answer(self, model: specs.Model, *inputs: npt.NDArray[Any]) -> list[npt.NDArray[Any]]:
        names = [tensor.name for tensor in model.outputs]
        request: Arrays = {
            tensor.name: array for tensor, array in zip(model.inputs, inputs, strict=True)
        }
        with self._free(model) as runner:
            (answer,) = runner.run([request], names)
        return [answer[name] for name in names]

    @contextmanager
    def _free(self, model: specs.Model) -> Iterator[OnnxRunner]:
        runner = self._runners[model.name].get()
        try:
            yield runner
        finally:
            self._runners[model.name].put(runner)
