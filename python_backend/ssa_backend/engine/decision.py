"""One name for every mask: candidates from everywhere, CLIP's choice of three, CLIPSeg's verdict.

Source: the original SSA's `semantic_annotation_pipeline`, there one mask and one name at a time.
Here names are encoded once, crops go through the networks in batches across masks, and CLIPSeg's
vision encoder sees each crop once for all of its names.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from ssa_backend.batches import in_batches
from ssa_backend.engine.crops import CLIP_SCALE, CLIPSEG_SCALE, scaled_window
from ssa_backend.engine.pixels import clip_pixel_values, clipseg_pixel_values
from ssa_backend.engine.resizing import FloatArray
from ssa_backend.engine.text import NameEmbeddings
from ssa_backend.engine.verdict import count_winners
from ssa_backend.rle import Runs
from ssa_backend.settings import ClipSegSettings, ClipSettings, SegmenterSettings
from ssa_backend.voting import class_map, count_votes

N_PROPOSALS = 3


@dataclass(frozen=True)
class Votes:
    """The class that most pixels of each mask have in one segmenter's map.

    Attributes:
        names: of N masks.
        shares: float32 [N], of the mask's pixels.
    """

    names: list[str]
    shares: FloatArray


def closed_set_votes(
    logits: Any, masks: Sequence[Runs], size_hw: tuple[int, int], segmenter: SegmenterSettings
) -> Votes:
    """Let the pixels of one segmenter vote in every mask; ties go to the lowest class id.

    Args:
        logits: [K, h, w] float32, NumPy or CuPy.
        masks: of an image of `size_hw`.
        size_hw: height and width of the image.
        segmenter: whose labels name the classes; several classes may have one name, and still
            vote apart.
    """
    if not masks:
        return Votes([], np.zeros(0, np.float32))
    branch = class_map(logits, size_hw, segmenter.align_corners)
    votes = count_votes(branch, masks, len(logits))
    shares = votes.max(axis=1) / votes.sum(axis=1).clip(1)
    return Votes([segmenter.labels[i] for i in votes.argmax(axis=1)], shares.astype(np.float32))


@dataclass(frozen=True)
class Proposals:
    """The best candidates for one mask, best first: at least 1, at most `N_PROPOSALS`.

    Attributes:
        names: of P candidates.
        scores: float32 [P], softmax over all candidates.
        shares: float32 [P], the share of the mask that each won in CLIPSeg.
    """

    names: list[str]
    scores: FloatArray
    shares: FloatArray

    @property
    def winner(self) -> str:
        """The name of most pixels, the earlier one among equals."""
        return self.names[int(self.shares.argmax())]


@dataclass(frozen=True)
class Clip:
    """CLIP chooses among names by what a crop looks like.

    Attributes:
        settings: of the checkpoint.
        encode: pixels [B, 3, S, S] to unit vectors [B, D]; called from two threads at a time.
        names: embeddings of names, unit vectors too.
        batch_size: crops of one call, at most.
    """

    settings: ClipSettings
    encode: Callable[[FloatArray], FloatArray]
    names: NameEmbeddings
    batch_size: int

    def best(
        self,
        rgb: npt.NDArray[np.uint8],
        boxes_xywh: npt.NDArray[np.int32],
        candidates: Sequence[Sequence[str]],
    ) -> list[tuple[list[str], FloatArray]]:
        """The best names of each mask and their softmax scores, best first.

        Args:
            rgb: [H, W, 3] uint8.
            boxes_xywh: [N, 4].
            candidates: N lists of distinct names, none empty. Lists that are the same object are
                looked up once.
        """
        distinct = _distinct(candidates)
        if not distinct:
            return []
        embeddings = self.names.of(distinct) * np.float32(self.settings.logit_scale)
        position = {name: index for index, name in enumerate(distinct)}
        columns = {id(names): [position[n] for n in names] for names in candidates}
        image = Image.fromarray(rgb)

        def choose(part: slice) -> list[tuple[list[str], FloatArray]]:
            windows = [scaled_window(rgb.shape[:2], box, CLIP_SCALE) for box in boxes_xywh[part]]
            pixels = clip_pixel_values(image, windows, self.settings)
            logits = self.encode(pixels) @ embeddings.T
            chosen = []
            for row, names in zip(logits, candidates[part], strict=True):
                scores = _softmax(row[columns[id(names)]])
                order = np.argsort(-scores, kind="stable")[:N_PROPOSALS]
                chosen.append(([names[i] for i in order], scores[order]))
            return chosen

        return in_batches(choose, len(candidates), self.batch_size)


@dataclass(frozen=True)
class ClipSeg:
    """CLIPSeg finds where in a crop each name is.

    The networks are called from two threads at a time.

    Attributes:
        settings: of the checkpoint.
        encode: pixels [B, 3, S, S] to activations [B, layers, patches, reduced].
        decode: activations and the embeddings [B, K, D] of K names to logits [B, K, S, S].
        names: embeddings of names.
        batch_size: crops of one call, at most.
    """

    settings: ClipSegSettings
    encode: Callable[[FloatArray], FloatArray]
    decode: Callable[[FloatArray, FloatArray], FloatArray]
    names: NameEmbeddings
    batch_size: int

    def shares(
        self,
        rgb: npt.NDArray[np.uint8],
        masks: Sequence[Runs],
        boxes_xywh: npt.NDArray[np.int32],
        proposals: Sequence[Sequence[str]],
    ) -> list[FloatArray]:
        """The share of each mask that each of its names wins; N arrays, float32 [P].

        Args:
            rgb: [H, W, 3] uint8.
            masks: N.
            boxes_xywh: [N, 4].
            proposals: at most `N_PROPOSALS` names for each mask; a single one wins unseen.
        """
        shares = [np.ones(1, np.float32)] * len(masks)
        open_cases = [i for i, names in enumerate(proposals) if len(names) > 1]
        if not open_cases:
            return shares
        distinct = _distinct([proposals[i] for i in open_cases])
        embeddings = self.names.of(distinct)
        position = {name: index for index, name in enumerate(distinct)}

        def judge(part: slice) -> list[FloatArray]:
            indices = open_cases[part]
            windows = [scaled_window(rgb.shape[:2], boxes_xywh[i], CLIPSEG_SCALE) for i in indices]
            # Always the same shape: a list that is too short repeats its first name.
            rows = [
                [position[n] for n in (*names, *[names[0]] * (N_PROPOSALS - len(names)))]
                for names in (proposals[i] for i in indices)
            ]
            activations = self.encode(clipseg_pixel_values(rgb, windows, self.settings))
            logits = self.decode(activations, embeddings[np.array(rows)])
            judged = []
            for index, window, scores in zip(indices, windows, logits, strict=True):
                scores = scores[: len(proposals[index])]
                counts = count_winners(scores, masks[index], window, len(rgb))
                judged.append((counts / counts.sum()).astype(np.float32))
            return judged

        judged = in_batches(judge, len(open_cases), self.batch_size)
        for index, won in zip(open_cases, judged, strict=True):
            shares[index] = won
        return shares


def decide(
    rgb: npt.NDArray[np.uint8],
    masks: Sequence[Runs],
    boxes_xywh: npt.NDArray[np.int32],
    candidates: Sequence[Sequence[str]],
    clip: Clip,
    clipseg: ClipSeg,
) -> list[Proposals]:
    """The best names of each mask.

    Args:
        rgb: [H, W, 3] uint8.
        masks: N masks of the image.
        boxes_xywh: [N, 4], theirs.
        candidates: see `Clip.best`.
    """
    best = clip.best(rgb, boxes_xywh, candidates)
    shares = clipseg.shares(rgb, masks, boxes_xywh, [names for names, _ in best])
    return [Proposals(*chosen, won) for chosen, won in zip(best, shares, strict=True)]


def candidates(
    coco: Sequence[str], ade20k: Sequence[str], phrases: Sequence[Sequence[str]]
) -> list[list[str]]:
    """What each mask may be called: both closed sets' names, then its caption's, each once."""
    names = zip(coco, ade20k, phrases, strict=True)
    return [list(dict.fromkeys([first, second, *rest])) for first, second, rest in names]


def _distinct(lists: Sequence[Sequence[str]]) -> list[str]:
    """Every name once, in order; of a list that stands there many times, once."""
    different = {id(names): names for names in lists}.values()
    return list(dict.fromkeys(name for names in different for name in names))


def _softmax(logits: FloatArray) -> FloatArray:
    exponentials = np.exp(logits - logits.max())
    result: FloatArray = exponentials / exponentials.sum()
    return result
