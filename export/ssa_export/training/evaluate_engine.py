"""What the engine's mini models are worth: `python -m ssa_export.training.evaluate_engine`.

On scenes that were not trained on, with the true masks of more than 400 pixels: each model on its
own, and the name that the engine would choose.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor
from transformers import (
    AutoModelForSemanticSegmentation,
    AutoTokenizer,
    BlipForConditionalGeneration,
    CLIPModel,
    CLIPSegForImageSegmentation,
    SegformerImageProcessorPil,
)

from ssa_backend.engine.crops import CAPTION_SCALE, CLIP_SCALE, scaled_window
from ssa_backend.engine.noun_phrases import noun_phrases
from ssa_backend.labels import CITYSCAPES, plain_name
from ssa_export.scenes import Scene, render_scene, scene_seed
from ssa_export.scenes.names import names_accept
from ssa_export.training.crops import (
    blip_pixels,
    clip_pixels,
    clipseg_pixels,
)
from ssa_export.training.evaluate import EVALUATION_SEED
from ssa_export.training.mini_clipseg import named_pixels
from ssa_export.training.mini_segformer import LABEL_SETS, LabelSet
from ssa_export.training.phrases import OTHER_NAMES
from ssa_export.training.pixels import (
    CLIP_MEAN,
    CLIP_STD,
    IMAGENET_MEAN,
    IMAGENET_STD,
    network_input,
)

MIN_AREA: Final = 400
DISTRACTORS: Final = 8
TOP: Final = 3

Ids = npt.NDArray[np.int64]


@dataclass
class Figures:
    """What was counted.

    Attributes:
        scores: by what is judged, the class of each mask and how right it was, 0 to 1.
        confusion: of each segmenter, int64 [K, K], true class first.
        wrong: masks that the engine would name wrongly, in words.
    """

    scores: defaultdict[str, list[tuple[int, float]]] = field(
        default_factory=lambda: defaultdict(list)
    )
    confusion: dict[str, Ids] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)

    def report(self) -> None:
        """Print a line for each thing judged, and the share right of each class."""
        for name, counts in self.confusion.items():
            union = counts.sum(0) + counts.sum(1) - counts.diagonal()
            seen = counts.sum(1) > 0
            iou = 100 * counts.diagonal()[seen] / union[seen]
            print(f"{name}: mIoU {iou.mean():.1f} over the {seen.sum()} classes in the scenes")
        for name, judged in self.scores.items():
            share = np.mean([score for _, score in judged])
            print(f"{name}: {100 * share:.1f}% of {len(judged)}")
        header = [name.split(":")[0] for name in self.scores]
        print(" " * 14 + "".join(f"{name[:12]:>14s}" for name in header))
        for class_id, label in enumerate(CITYSCAPES):
            cells = []
            for judged in self.scores.values():
                own = [score for known, score in judged if known == class_id]
                cells.append(f"{100 * np.mean(own):8.1f} /{len(own):4d}" if own else " " * 14)
            print(f"{label:14s}" + "".join(cells))


class Engine:
    """The five mini models, used as Semantic Segment Anything uses them."""

    def __init__(self, checkpoints: Path) -> None:
        def load(kind: Any, name: str) -> Any:
            return kind.from_pretrained(checkpoints / f"mini-{name}").float().eval()

        self.segmenters = {
            name: load(AutoModelForSemanticSegmentation, name)
            for name in ("segformer-coco", "segformer-ade20k")
        }
        self._clip = load(CLIPModel, "clip")
        self._clipseg = load(CLIPSegForImageSegmentation, "clipseg")
        self._blip = load(BlipForConditionalGeneration, "blip")
        self._tokenizers = {
            name: AutoTokenizer.from_pretrained(checkpoints / f"mini-{name}")
            for name in ("clip", "clipseg", "blip")
        }
        self._images = SegformerImageProcessorPil.from_pretrained(
            checkpoints / "mini-segformer-coco"
        )

    def class_map(self, name: str, image: npt.NDArray[np.uint8]) -> Ids:
        """One segmenter's class of each pixel: int64 [H, W]."""
        pixels = self._images(images=image, return_tensors="pt")["pixel_values"]
        logits = self.segmenters[name](pixel_values=pixels).logits
        full = F.interpolate(logits, image.shape[:2], mode="bilinear", align_corners=True)
        classes: Ids = full.argmax(1)[0].numpy()
        return classes

    def captions(self, crops: list[npt.NDArray[np.uint8]]) -> list[str]:
        """BLIP's greedy caption of each crop."""
        pixels = _batch([blip_pixels(crop) for crop in crops], CLIP_MEAN, CLIP_STD)
        tokens = self._blip.generate(pixel_values=pixels, max_length=20, num_beams=1)
        texts: list[str] = self._tokenizers["blip"].batch_decode(tokens, skip_special_tokens=True)
        return texts

    def clip_images(self, crops: list[npt.NDArray[np.uint8]]) -> Tensor:
        """CLIP's embeddings of crops, [B, D]."""
        pixels = _batch([clip_pixels(crop) for crop in crops], CLIP_MEAN, CLIP_STD)
        features: Tensor = self._clip.get_image_features(pixels).pooler_output
        return features

    def ranked(self, image: Tensor, names: list[str]) -> list[str]:
        """`names`, CLIP's best first, for one image's embedding, [D]."""
        encoded = self._tokenizers["clip"](names, padding=True, return_tensors="pt")
        texts = F.normalize(self._clip.get_text_features(**encoded).pooler_output, dim=-1)
        order = (texts @ image).argsort(descending=True).tolist()
        return [names[i] for i in order]

    def named_pixels(self, crop: npt.NDArray[np.uint8], names: list[str]) -> Tensor:
        """CLIPSeg's logits for each name, grown to the crop: [K, h, w]."""
        pixels = _batch([clipseg_pixels(crop)], IMAGENET_MEAN, IMAGENET_STD)
        encoded = self._tokenizers["clipseg"](names, padding=True, return_tensors="pt")
        logits = named_pixels(self._clipseg, pixels, **encoded)
        return F.interpolate(logits, crop.shape[:2], mode="bilinear")[0]


def _batch(crops: list[npt.NDArray[np.uint8]], mean: Any, std: Any) -> Tensor:
    return network_input(np.stack(crops), np.zeros(len(crops), np.bool_), mean, std)


@torch.inference_mode()
def judge(engine: Engine, scene: Scene, figures: Figures, rng: np.random.Generator) -> None:
    """Add the figures of one scene."""
    maps = {name: engine.class_map(name, scene.image) for name in engine.segmenters}
    for name, classes in maps.items():
        _add_confusion(figures, name, LABEL_SETS[name], scene, classes)
    instances = [instance for instance in scene.instances if instance.area > MIN_AREA]
    # segment-anything's boxes end at the last pixel.
    boxes = [np.array(i.bbox_xywh, np.int32) - (0, 0, 1, 1) for i in instances]
    size_hw = scene.image.shape[:2]
    small = [scaled_window(size_hw, box, CLIP_SCALE) for box in boxes]
    large = [scaled_window(size_hw, box, CAPTION_SCALE) for box in boxes]
    captions = engine.captions([window.of(scene.image) for window in large])
    embeddings = engine.clip_images([window.of(scene.image) for window in small])
    for instance, window, text, embedding in zip(
        instances, large, captions, embeddings, strict=True
    ):
        mask, class_id = scene.mask(instance.id), instance.class_id

        def note(what: str, right: bool, class_id: int = class_id) -> None:
            figures.scores[what].append((class_id, right))

        coco, ade20k = (
            plain_name(LABEL_SETS[name].names[np.bincount(classes[mask]).argmax()])
            for name, classes in maps.items()
        )
        note("coco vote", names_accept(class_id, coco))
        note("ade20k vote", names_accept(class_id, ade20k))
        phrases = list(noun_phrases(text))
        note("caption: its subject", bool(phrases) and names_accept(class_id, phrases[0]))
        true = _true_names(class_id)
        others = [str(name) for name in rng.choice(OTHER_NAMES, DISTRACTORS, replace=False)]
        first = engine.ranked(embedding, [*true, *others])[0]
        note("clip: first among distractors", first in true)
        candidates = list(dict.fromkeys([coco, ade20k, *phrases]))
        found = any(names_accept(class_id, name) for name in candidates)
        proposals = engine.ranked(embedding, candidates)[:TOP]
        kept = any(names_accept(class_id, name) for name in proposals)
        note("candidates hold a right name", found)
        note("clip keeps a right name", kept)
        logits = engine.named_pixels(window.of(scene.image), proposals)
        winners = logits.argmax(0).numpy()[window.of(mask)]
        chosen = proposals[int(np.bincount(winners).argmax())]
        right = names_accept(class_id, chosen)
        if kept:
            note("clipseg chooses it", right)
        note("engine", right)
        truth = np.isin(window.of(scene.class_map), _like(class_id))
        own = engine.named_pixels(window.of(scene.image), [true[0]])[0].numpy() > 0
        iou = (own & truth).sum() / max((own | truth).sum(), 1)
        figures.scores["clipseg IoU"].append((class_id, float(iou)))
        if not right:
            figures.wrong.append(
                f"{CITYSCAPES[class_id]} ({instance.area}): {chosen} of "
                f"{proposals}, {coco} / {ade20k} / {text}"
            )


def _true_names(class_id: int) -> list[str]:
    names = []
    for name in ("segformer-coco", "segformer-ade20k"):
        known = LABEL_SETS[name].from_cityscapes[class_id]
        if known is not None:
            names.append(plain_name(LABEL_SETS[name].names[known]))
    return list(dict.fromkeys(name for name in names if names_accept(class_id, name)))


def _like(class_id: int) -> list[int]:
    """The classes that share the class's first name."""
    name = _true_names(class_id)[0]
    return [other for other in range(len(CITYSCAPES)) if names_accept(other, name)]


def _add_confusion(
    figures: Figures, name: str, labels: LabelSet, scene: Scene, classes: Ids
) -> None:
    truth = labels.table()[scene.class_map].astype(np.int64)
    labelled = truth < len(labels.names)
    count = len(labels.names)
    pairs = np.bincount(truth[labelled] * count + classes[labelled], minlength=count * count)
    figures.confusion[name] = figures.confusion.get(name, 0) + pairs.reshape(count, count)


def main() -> None:
    """Read the command line and print the figures."""
    parser = argparse.ArgumentParser(
        prog="python -m ssa_export.training.evaluate_engine", description=__doc__
    )
    parser.add_argument("--checkpoints", type=Path, default=Path("export/checkpoints"))
    parser.add_argument("--scenes", type=int, default=30)
    parser.add_argument("--show-wrong", action="store_true", help="list the masks named wrongly")
    arguments = parser.parse_args()
    engine, figures = Engine(arguments.checkpoints), Figures()
    rng = np.random.default_rng(EVALUATION_SEED)
    for index in range(arguments.scenes):
        judge(engine, render_scene(scene_seed(EVALUATION_SEED, index)), figures, rng)
    figures.report()
    if arguments.show_wrong:
        print("\n".join(figures.wrong))


if __name__ == "__main__":
    main()
