"""Captions of all masks, and the things they name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from ssa_backend import specs
from ssa_backend.engine.captioning import Captioner
from ssa_backend.engine.noun_phrases import best_available
from ssa_backend.engine.text import CaptionTokenizer
from ssa_backend.settings import BlipSettings
from ssa_backend.triton import Arrays, Step, run_network, texts


class TritonPythonModel(Step):
    """See `ssa_backend.engine.captioning` and `ssa_backend.engine.noun_phrases`."""

    spec = specs.CAPTIONING

    def setup(self) -> None:
        """Load the tokenizer, and spaCy where it is installed."""
        self.captioner = Captioner(
            self.settings("blip", BlipSettings),
            partial(run_network, specs.BLIP_VISION_ENCODER),
            partial(run_network, specs.BLIP_TEXT_DECODER),
            CaptionTokenizer(self.file("blip_tokenizer.json")).decode,
            specs.BLIP_VISION_ENCODER.max_batch_size,
        )
        self.noun_phrases = best_available()

    def run(self, inputs: Arrays, parameters: Mapping[str, Any]) -> Arrays:
        """Caption the masks of one image; none is asked for where the request names its classes."""
        boxes = inputs[specs.BBOX.name]
        if specs.CLASSES.name in inputs:
            captions = [""] * len(boxes)
        else:
            captions = self.captioner.captions(inputs[specs.RGB.name], boxes)
        phrases = [self.noun_phrases(caption) for caption in captions]
        return {
            specs.CAPTION.name: texts(captions),
            specs.NOUN_PHRASES.name: _table(phrases),
        }


def _table(rows: Sequence[Sequence[str]]) -> npt.NDArray[np.object_]:
    """Texts as UTF-8, one column at least; rows shorter than the longest end in empty ones."""
    filled = np.full((len(rows), max([1, *map(len, rows)])), b"", object)
    for line, row in zip(filled, rows, strict=True):
        line[: len(row)] = [text.encode() for text in row]
    return filled
