"""The original's labelling engine, one mask at a time, over transformers' own classes.

Nothing is shared between masks but the two class maps of the image: texts are encoded again for
every mask, and CLIPSeg sees its patch once per name. That is the original's cost, and the point.

Where the original is random or breaks, this is what counts: candidates stand in the order COCO,
ADE20K, phrases; among equal scores the earlier one comes first; one candidate is a list of one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch.nn.functional import interpolate
from transformers import (
    AutoTokenizer,
    BlipForConditionalGeneration,
    BlipImageProcessorPil,
    BlipProcessor,
    CLIPImageProcessorPil,
    CLIPModel,
    CLIPProcessor,
    CLIPSegForImageSegmentation,
    CLIPSegProcessor,
    ViTImageProcessorPil,
)

from ssa_backend.labels import plain_name
from tests.reference.engine_segmenters import SegmenterReference

Image = npt.NDArray[np.uint8]  # [H, W, 3] RGB
BoolMask = npt.NDArray[np.bool_]  # [H, W]
NounPhrases = Callable[[str], Sequence[str]]

SCALE_SMALL = 1.2
SCALE_LARGE = 1.6
TOP_K = 3
CAPTION_LENGTH = 20  # transformers' default, the start token included
CLIPSEG_SIZE = 512


@dataclass(frozen=True)
class Vote:
    """The class of most pixels inside a mask; `margin` is its lead in shares of the mask."""

    name: str
    share: float
    margin: float


@dataclass(frozen=True)
class Label:
    """What the engine says of one mask, and on what grounds.

    Attributes:
        caption_margin: the least lead, in logits, of a caption's token over the next best.
        candidates: all names that CLIP chose among.
        scores: CLIP's softmax over them.
        clipseg_shares: the share of the mask that each proposal won.
    """

    class_name: str
    class_proposals: tuple[str, ...]
    coco: Vote
    ade20k: Vote
    caption: str
    caption_margin: float
    candidates: tuple[str, ...]
    scores: tuple[float, ...]
    clipseg_shares: tuple[float, ...]


@dataclass(frozen=True)
class Checkpoints:
    """The folders of the five networks."""

    coco: Path
    ade20k: Path
    blip: Path
    clip: Path
    clipseg: Path


class EngineReference:
    """The engine over five checkpoints; `noun_phrases` finds the names in a caption."""

    def __init__(
        self,
        checkpoints: Checkpoints,
        noun_phrases: NounPhrases,
        clipseg_size: int = CLIPSEG_SIZE,
    ) -> None:
        self._noun_phrases = noun_phrases
        self._clipseg_size = clipseg_size
        self._coco = SegmenterReference(checkpoints.coco)
        self._ade20k = SegmenterReference(checkpoints.ade20k)
        self._coco_names = [plain_name(name) for name in self._coco.names]
        self._blip_processor = _processor(BlipProcessor, BlipImageProcessorPil, checkpoints.blip)
        self._clip_processor = _processor(CLIPProcessor, CLIPImageProcessorPil, checkpoints.clip)
        self._clipseg_processor = _processor(
            CLIPSegProcessor, ViTImageProcessorPil, checkpoints.clipseg
        )
        self._blip = _loaded(BlipForConditionalGeneration, checkpoints.blip)
        self._clip = _loaded(CLIPModel, checkpoints.clip)
        self._clipseg = _loaded(CLIPSegForImageSegmentation, checkpoints.clipseg)

    def label(
        self, rgb: Image, masks: Sequence[BoolMask], classes: Sequence[str] | None = None
    ) -> Iterator[Label]:
        """The label of each mask in turn; `classes` are names to choose among instead."""
        coco_map = self._coco.class_map(rgb)
        ade20k_map = self._ade20k.class_map(rgb)
        for mask in masks:
            coco = _vote(coco_map[mask], self._coco_names)
            ade20k = _vote(ade20k_map[mask], self._ade20k.names)
            yield self._label_one(rgb, mask, coco, ade20k, classes)

    def _label_one(
        self, rgb: Image, mask: BoolMask, coco: Vote, ade20k: Vote, classes: Sequence[str] | None
    ) -> Label:
        large = scaled_box(mask, SCALE_LARGE)
        caption, caption_margin = "", np.inf
        if classes is None:
            caption, caption_margin = self._caption(crop(rgb, large))
            classes = [coco.name, ade20k.name, *self._noun_phrases(caption)]
        candidates = list(dict.fromkeys(classes))
        scores = self._clip_scores(crop(rgb, scaled_box(mask, SCALE_SMALL)), candidates)
        best_first = np.argsort(-scores, kind="stable")
        proposals = [candidates[i] for i in best_first[:TOP_K]]
        winners = self._clipseg_winners(crop(rgb, large), proposals)
        votes = np.bincount(winners[crop(mask, large)], minlength=len(proposals))
        return Label(
            class_name=proposals[int(votes.argmax())],
            class_proposals=tuple(proposals),
            coco=coco,
            ade20k=ade20k,
            caption=caption,
            caption_margin=caption_margin,
            candidates=tuple(candidates),
            scores=tuple(scores.tolist()),
            clipseg_shares=tuple((votes / votes.sum()).tolist()),
        )

    @torch.inference_mode()
    def _caption(self, patch: Image) -> tuple[str, float]:
        """BLIP's greedy caption and its smallest margin."""
        pixels = self._blip_processor(
            images=patch, return_tensors="pt", input_data_format="channels_last"
        )
        out = self._blip.generate(
            **pixels,
            max_length=CAPTION_LENGTH,
            num_beams=1,
            do_sample=False,
            return_dict_in_generate=True,
            output_scores=True,
        )
        leads = [scores[0].topk(2).values for scores in out.scores]
        margin = min(float(best - second) for best, second in leads)
        return self._blip_processor.decode(out.sequences[0], skip_special_tokens=True), margin

    @torch.inference_mode()
    def _clip_scores(self, patch: Image, names: list[str]) -> npt.NDArray[np.float32]:
        """CLIP's softmax over `names`."""
        inputs = self._clip_processor(
            text=names,
            images=patch,
            return_tensors="pt",
            padding=True,
            truncation=True,
            max_length=self._clip.config.text_config.max_position_embeddings,
            input_data_format="channels_last",
        )
        scores: npt.NDArray[np.float32] = (
            self._clip(**inputs).logits_per_image.softmax(dim=1)[0].numpy()
        )
        return scores

    @torch.inference_mode()
    def _clipseg_winners(self, patch: Image, names: list[str]) -> npt.NDArray[np.int64]:
        """The index of the best name at every pixel of the patch."""
        inputs = self._clipseg_processor(
            text=names,
            images=[patch] * len(names),
            return_tensors="pt",
            padding=True,
            truncation=True,
            max_length=self._clipseg.config.text_config.max_position_embeddings,
            do_resize=False,
            input_data_format="channels_last",
        )
        side = self._clipseg_size
        inputs["pixel_values"] = _resized(inputs["pixel_values"], (side, side))
        logits = _resized(self._clipseg(**inputs).logits[None], patch.shape[:2])[0]
        winners: npt.NDArray[np.int64] = logits.argmax(dim=0).numpy()
        return winners


def scaled_box(mask: BoolMask, scale: float) -> tuple[slice, slice]:
    """Rows and columns of a mask's box, grown by `scale` about its middle.

    The box is segment-anything's: its width is that of its pixels minus 1, and the end is included.
    """
    ys, xs = np.nonzero(mask)
    x0, y0, x1, y1 = xs.min(), ys.min(), xs.max(), ys.max()
    dx = (x1 - x0 + 1) * (scale - 1) / 2
    dy = (y1 - y0 + 1) * (scale - 1) / 2
    # int() truncates, so what would lie above or left of the image is clipped afterwards.
    rows = slice(max(int(y0 - dy), 0), int(y1 + dy) + 1)
    columns = slice(max(int(x0 - dx), 0), int(x1 + dx) + 1)
    return rows, columns


def crop(image: Any, box: tuple[slice, slice]) -> Any:
    """The part of an image or mask inside a box; a slice past the end stops at the end."""
    return image[box]


def _loaded(kind: Any, folder: Path) -> Any:
    # Some checkpoints are stored in half precision; all arithmetic here is in single.
    return kind.from_pretrained(folder, dtype=torch.float32).eval()


def _processor(kind: Any, image_processor: Any, folder: Path) -> Any:
    return kind(image_processor.from_pretrained(folder), AutoTokenizer.from_pretrained(folder))


def _vote(classes: npt.NDArray[np.int64], names: Sequence[str]) -> Vote:
    """The most frequent of the class ids [P], the lowest id among equals."""
    counts = np.bincount(classes, minlength=2)
    second, first = np.sort(counts)[-2:] / len(classes)
    return Vote(names[int(counts.argmax())], float(first), float(first - second))


def _resized(images: torch.Tensor, size_hw: tuple[int, ...]) -> torch.Tensor:
    return interpolate(images, size=size_hw, mode="bilinear", align_corners=False)
