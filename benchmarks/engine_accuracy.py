"""How often the engine's names are right, on held-out scenes, through the served ensembles.

    python -m benchmarks.engine_accuracy [--scenes 30] [--seed 70]

A name is right where the scene's facts accept it for what the mask shows (`names_accept`): of the
scenes' own masks over 400 pixels, and of SAM's, each standing for the instance that it covers best.
Beside the engine stand the closed-set voters alone. The scenes are drawn here; none was used in
training.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import astuple, dataclass
from pathlib import Path

from pycocotools import mask as coco_mask
from rich.progress import track

from ssa_backend.embedded import EmbeddedServer
from ssa_backend.labels import CITYSCAPES
from ssa_client import LabelledMask, SsaClient
from ssa_client.conversions import encode_mask
from ssa_export.scenes import UNLABELLED
from ssa_export.scenes.names import names_accept
from tests.reference.engine_scenes import GivenScene, given_scene

RESULTS = Path(__file__).parent / "results" / "engine_accuracy.md"
MIN_AREA = 400
SAME_OBJECT_IOU = 0.5
TIMEOUT_S = 600.0
COLUMNS = (
    "class",
    "masks",
    "engine",
    "CLIP's first",
    "among proposals",
    "COCO voter",
    "ADE20K voter",
)


@dataclass
class Right:
    """How many masks were named, and how many rightly, by whom."""

    masks: int = 0
    engine: int = 0
    clip: int = 0
    proposals: int = 0
    coco: int = 0
    ade20k: int = 0

    def add(self, class_id: int, mask: LabelledMask) -> None:
        """Judge one mask that shows an instance of `class_id`."""
        self.masks += 1
        self.engine += names_accept(class_id, mask.class_name)
        self.clip += names_accept(class_id, mask.class_proposals[0])
        self.proposals += any(names_accept(class_id, name) for name in mask.class_proposals)
        self.coco += names_accept(class_id, mask.coco_name)
        self.ade20k += names_accept(class_id, mask.ade20k_name)

    def cells(self) -> list[str]:
        """The count, and the shares in percent."""
        shares = (100 * right / max(self.masks, 1) for right in astuple(self)[1:])
        return [str(self.masks), *(f"{share:.1f}" for share in shares)]


ByClass = defaultdict[int, Right]


def main() -> None:
    """Command line of this module."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model-repository", type=Path, default=Path("model_repository"))
    parser.add_argument("--seed", type=int, default=70)
    parser.add_argument("--scenes", type=int, default=30)
    arguments = parser.parse_args()

    given: ByClass = defaultdict(Right)
    found: ByClass = defaultdict(Right)
    instances = 0
    embedded = EmbeddedServer(arguments.model_repository, http_port=0, grpc_port=0, metrics_port=0)
    with embedded as server, SsaClient(server.grpc_url, timeout_s=TIMEOUT_S) as client:
        for k in track(range(arguments.scenes), "Scenes"):
            scene = given_scene(arguments.seed, k, MIN_AREA)
            class_ids = [instance.class_id for instance in scene.instances]
            judge(given, zip(class_ids, client.label(scene.image, scene.masks).masks, strict=True))
            judge(found, matched(scene, client.label(scene.image).masks))
            instances += sum(class_id != UNLABELLED for class_id in class_ids)
    write(arguments.scenes, arguments.seed, given, found, instances)


def judge(right: ByClass, masks: Iterable[tuple[int, LabelledMask]]) -> None:
    """Add masks, each with the class that it shows; where there is none, nothing is right."""
    for class_id, mask in masks:
        if class_id != UNLABELLED:
            right[class_id].add(class_id, mask)


def matched(
    scene: GivenScene, masks: tuple[LabelledMask, ...]
) -> Iterable[tuple[int, LabelledMask]]:
    """Each instance's class with the mask that covers it best, where one covers it well."""
    if not masks or not scene.masks:
        return
    overlap = coco_mask.iou(
        [encode_mask(mask) for mask in scene.masks],
        [mask.segmentation for mask in masks],
        [0] * len(masks),
    )
    for instance, row in zip(scene.instances, overlap, strict=True):
        if row.max() >= SAME_OBJECT_IOU:
            yield instance.class_id, masks[int(row.argmax())]


def total(right: ByClass) -> Right:
    """All classes together."""
    rows = [astuple(of_class) for of_class in right.values()]
    return Right(*map(sum, zip(*rows, strict=True))) if rows else Right()


def table(right: ByClass) -> list[str]:
    """A Markdown table: all classes together, then each that occurs."""
    rows = [["**all**", *total(right).cells()]]
    rows += [[CITYSCAPES[class_id], *right[class_id].cells()] for class_id in sorted(right)]
    lines = [COLUMNS, ("---",) * len(COLUMNS), *rows]
    return [f"| {' | '.join(cells)} |" for cells in lines]


def write(scenes: int, seed: int, given: ByClass, found: ByClass, instances: int) -> None:
    """Print the results and write them to their file."""
    covered = total(found).masks
    text = "\n".join(
        [
            "# How often the engine's names are right",
            "",
            f"Mini models, {scenes} held-out scenes of seed {seed}, 480x640; written by "
            f"`python -m benchmarks.engine_accuracy --scenes {scenes} --seed {seed}`.",
            "",
            "Percent of masks whose name the scene's facts accept "
            "(`ssa_export.scenes.names.names_accept`): `engine` is `class_name`, `CLIP's first` "
            "the first of `class_proposals`, `among proposals` any of them, the "
            "voters are `coco_name` and `ade20k_name`.",
            "",
            f"## Given masks: the scenes' own, over {MIN_AREA} pixels",
            "",
            *table(given),
            "",
            "## SAM's own masks",
            "",
            f"Of {instances} instances over {MIN_AREA} pixels, {covered} "
            f"({100 * covered / max(instances, 1):.1f}%) are covered by a mask of SAM's at an IoU "
            f"of {SAME_OBJECT_IOU} or better; those are judged.",
            "",
            *table(found),
            "",
        ]
    )
    RESULTS.write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
