"""Last step of the engine: a name for every mask, and what speaks for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from ssa_backend import rle, specs
from ssa_backend.engine.decision import (
    N_PROPOSALS,
    Clip,
    ClipSeg,
    Proposals,
    candidates,
    decide,
)
from ssa_backend.engine.requests import read_classes
from ssa_backend.engine.text import NameEmbeddings, TextTokenizer
from ssa_backend.settings import ClipSegSettings, ClipSettings
from ssa_backend.specs import Model
from ssa_backend.triton import Arrays, Step, run_network, texts


class TritonPythonModel(Step):
    """See `ssa_backend.engine.decision`."""

    spec = specs.LABEL_DECISION

    def setup(self) -> None:
        """Load the tokenizers; embeddings of names stay from request to request."""
        clip = self.settings("clip", ClipSettings)
        self.clip = Clip(
            clip,
            partial(run_network, specs.CLIP_IMAGE_ENCODER),
            self._names("clip_tokenizer.json", clip.context_length, specs.CLIP_TEXT_ENCODER),
            specs.CLIP_IMAGE_ENCODER.max_batch_size,
        )
        clipseg = self.settings("clipseg", ClipSegSettings)
        self.clipseg = ClipSeg(
            clipseg,
            partial(run_network, specs.CLIPSEG_VISION_ENCODER),
            partial(run_network, specs.CLIPSEG_DECODER),
            self._names(
                "clipseg_tokenizer.json", clipseg.context_length, specs.CLIPSEG_TEXT_ENCODER
            ),
            specs.CLIPSEG_VISION_ENCODER.max_batch_size,
        )

    def _names(self, file: str, context_length: int, encoder: Model) -> NameEmbeddings:
        tokenizer = TextTokenizer(self.file(file), context_length)
        return NameEmbeddings(tokenizer, partial(run_network, encoder), encoder.max_batch_size)

    def run(self, inputs: Arrays, parameters: Mapping[str, Any]) -> Arrays:
        """Label the masks of one image."""
        rgb, boxes = inputs[specs.RGB.name], inputs[specs.BBOX.name]
        size_hw = (rgb.shape[0], rgb.shape[1])
        masks = rle.EncodedMasks(inputs[specs.SEGMENTATION.name].tolist(), size_hw)
        names: Sequence[Sequence[str]]
        if specs.CLASSES.name in inputs:
            names = [read_classes(inputs[specs.CLASSES.name].tolist())] * len(masks)
        else:
            names = candidates(
                [name.decode() for name in inputs[specs.COCO_NAME.name]],
                [name.decode() for name in inputs[specs.ADE20K_NAME.name]],
                [[p.decode() for p in row if p] for row in inputs[specs.NOUN_PHRASES.name]],
            )
        decided = decide(rgb, masks, boxes, names, self.clip, self.clipseg)
        return _as_arrays(decided)


def _as_arrays(decided: Sequence[Proposals]) -> Arrays:
    """What was decided by tensor name; lists of fewer than `N_PROPOSALS` names are padded."""
    shape = (len(decided), N_PROPOSALS)
    proposals = np.full(shape, b"", object)
    scores, shares = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
    for index, mask in enumerate(decided):
        filled = slice(len(mask.names))
        proposals[index, filled] = texts(mask.names)
        scores[index, filled] = mask.scores
        shares[index, filled] = mask.shares
    return {
        specs.CLASS_NAME.name: texts([mask.winner for mask in decided]),
        specs.CLASS_PROPOSALS.name: proposals,
        specs.CLIP_SCORE.name: scores,
        specs.CLIPSEG_SHARE.name: shares,
    }
