"""Where the time goes, stage by stage, against a plain reference on the same checkpoints and image.

    python -m benchmarks.stages [--repeats 5]        # `make bench`

Each stage runs here in turn with its reference: segment-anything's generator in parts, transformers
in eager mode, loops mask by mask. The floor is what the arithmetic of a network would take at the
speed of this machine's large matrix products, or what the bytes of anything else would take to be
copied once. Writes results/stages.md, .json and .png.
"""

from __future__ import annotations

import argparse
import io
import json
import statistics
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from pycocotools import mask as coco_mask
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.in_process import ClosedSet
from benchmarks.in_process_engine import build_captioner, build_clip, build_clipseg
from benchmarks.perf_analyzer import as_jpeg
from benchmarks.replayed_sam import Recording, replaying_sam
from benchmarks.tables import RESULTS, machine, table, write
from ssa_backend import rle, specs
from ssa_backend.images import decode_image, sam_pixel_values, segmenter_pixel_values
from ssa_backend.masks.boxes import nms
from ssa_backend.masks.generation import FloatArray, MaskGenerator
from ssa_backend.voting import label_masks
from ssa_export.checkpoints.sam import load_sam as load_transformers_sam
from ssa_export.mask_decoder import MaskDecoder
from ssa_export.presets import CHECKPOINTS
from ssa_export.scenes import render_scene, scene_seed
from tests.reference.closed_set import ClosedSetReference
from tests.reference.engine_scenes import mini_reference
from tests.reference.segment_anything_sam import generate, load_sam

SEED = 55
SIZE_HW = (480, 640)
ENGINE_MASKS = 20
COLUMNS = ("stage", "ours, ms", "reference, ms", "ratio", "floor, ms", "floor's share of ours")


@dataclass
class Stage:
    """One part of the work, done twice.

    Attributes:
        name: what a reader calls it.
        ours: this project's.
        reference: the plain way; None where there is none.
        floor_ms: what no machine like this one goes below; None where it says nothing.
    """

    name: str
    ours: Callable[[], Any]
    reference: Callable[[], Any] | None
    floor_ms: float | None = None
    ours_ms: list[float] = field(default_factory=list)
    reference_ms: list[float] = field(default_factory=list)

    def measure(self, repeats: int) -> None:
        """Time both in turn, after each ran once."""
        sides = [(self.ours, self.ours_ms)]
        if self.reference:
            sides.append((self.reference, self.reference_ms))
        for repeat in range(repeats + 1):
            for run, times in sides:
                started = time.perf_counter()
                run()
                if repeat:
                    times.append(1000 * (time.perf_counter() - started))

    def cells(self) -> list[str]:
        """A row of the results."""
        ours = statistics.median(self.ours_ms)
        row = [self.name, f"{ours:.1f}"]
        if self.reference_ms:
            reference = statistics.median(self.reference_ms)
            row += [f"{reference:.1f}", f"**{reference / ours:.1f}**"]
        else:
            row += ["", ""]
        if self.floor_ms is None:
            return [*row, "", ""]
        return [*row, f"{self.floor_ms:.2f}", f"{100 * self.floor_ms / ours:.0f}%"]


def main() -> None:
    """Command line of this module."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model-repository", type=Path, default=Path("model_repository"))
    parser.add_argument("--repeats", type=int, default=5)
    arguments = parser.parse_args()
    speed = Speed.measured()
    found = []
    with torch.inference_mode():
        for stage in (
            *closed_set_stages(arguments.model_repository, speed),
            *engine_stages(arguments.model_repository),
        ):
            stage.measure(arguments.repeats)
            print(*stage.cells(), sep="  ", flush=True)
            found.append(stage)
    write(
        "stages",
        "# Stage by stage",
        "Written by `python -m benchmarks.stages` (`make bench`): mini models, a scene of 640x480, "
        f"a 32-point grid, {ENGINE_MASKS} masks for the engine; medians of {arguments.repeats} "
        "runs in turn. A floor is arithmetic at "
        f"{speed.gflops:.0f} GFLOP/s, or bytes at {speed.gb_s:.1f} GB/s, measured just before.",
        machine(),
        table(COLUMNS, [stage.cells() for stage in found]),
        "![Stages](stages.png)",
    )
    write_json(found, speed)
    draw(found)


@dataclass(frozen=True)
class Speed:
    """What this machine reaches: a large product, and a large copy."""

    gflops: float
    gb_s: float

    @classmethod
    def measured(cls) -> Speed:
        """The best of several runs each."""
        a = torch.rand(2048, 2048)
        product_s = min(_seconds(partial(torch.mm, a, a)) for _ in range(5))
        source, target = np.ones(1 << 26, np.uint8), np.empty(1 << 26, np.uint8)
        copy_s = min(_seconds(partial(np.copyto, target, source)) for _ in range(10))
        return cls(2 * 2048**3 / product_s / 1e9, 2 * source.nbytes / copy_s / 1e9)

    def arithmetic_ms(self, run: Callable[[], Any]) -> float:
        """Of a PyTorch computation."""
        with FlopCounterMode(display=False) as counter:
            run()
        return counter.get_total_flops() / self.gflops / 1e6

    def copying_ms(self, *arrays: Any) -> float:
        """Of reading or writing these arrays once."""
        return sum(array.nbytes for array in arrays) / self.gb_s / 1e6


def _seconds(run: Callable[[], Any]) -> float:
    started = time.perf_counter()
    run()
    return time.perf_counter() - started


def closed_set_stages(repository: Path, speed: Speed) -> Iterator[Stage]:
    """From a JPEG to names, in the order of the pipeline."""
    served = ClosedSet(repository)
    settings, segmenter = served.settings, served.segmenter
    sam, closed_set = (
        load_sam(CHECKPOINTS / "mini-sam"),
        ClosedSetReference(CHECKPOINTS / "mini-segformer"),
    )
    from segment_anything import SamPredictor

    predictor = SamPredictor(sam)
    rgb = render_scene(scene_seed(SEED, 0), SIZE_HW).image
    jpeg = as_jpeg(rgb)
    pixels, segmenter_pixels = (
        sam_pixel_values(rgb, settings.sam),
        segmenter_pixel_values(rgb, segmenter),
    )
    embedding, logits = served.encode(pixels), served.segment(segmenter_pixels)

    yield Stage(
        "decode a JPEG",
        partial(decode_image, jpeg, settings.images, settings.sam),
        lambda: np.asarray(Image.open(io.BytesIO(jpeg)).convert("RGB")),
    )

    def prepare_as_published() -> Any:
        resized = torch.as_tensor(predictor.transform.apply_image(rgb)).permute(2, 0, 1)[None]
        sam.preprocess(resized.float())
        return closed_set.pixels(rgb)

    yield Stage(
        "preprocess for both networks",
        lambda: (sam_pixel_values(rgb, settings.sam), segmenter_pixel_values(rgb, segmenter)),
        prepare_as_published,
        speed.copying_ms(rgb, pixels, segmenter_pixels),
    )
    as_tensor = torch.as_tensor(pixels)
    encode = partial(sam.image_encoder, as_tensor)
    yield Stage(
        "SAM's image encoder", partial(served.encode, pixels), encode, speed.arithmetic_ms(encode)
    )
    yield Stage(
        "semantic segmenter",
        partial(served.segment, segmenter_pixels),
        partial(closed_set.logits, torch.as_tensor(segmenter_pixels)),
        speed.arithmetic_ms(partial(closed_set.logits, torch.as_tensor(segmenter_pixels))),
    )

    recording = Recording.of(CHECKPOINTS / "mini-sam", rgb, settings.masks)
    batches = np.array_split(recording.prompts[:, None], len(recording.prompts) // 64)
    min_iou = settings.masks.pred_iou_thresh
    labels = np.ones((64, 1), np.int64)

    def decode_all() -> None:
        # As many batches at a time as the decoder has instances, each on its share of the cores.
        with ThreadPoolExecutor(specs.SAM_MASK_DECODER.instances) as threads:
            list(threads.map(decode_batch, batches))

    def decode_batch(batch: FloatArray) -> None:
        served.decode(embedding, batch, labels[: len(batch)], min_iou)

    def decode_as_published() -> None:
        for batch in batches:
            points = (torch.as_tensor(batch), torch.as_tensor(labels[: len(batch)]))
            sparse, dense = sam.prompt_encoder(points, None, None)
            positions = sam.prompt_encoder.get_dense_pe()
            sam.mask_decoder(torch.as_tensor(embedding), positions, sparse, dense, True)

    ours = MaskDecoder(load_transformers_sam(str(CHECKPOINTS / "mini-sam")).model)
    decoder_floor = sum(
        speed.arithmetic_ms(
            partial(
                ours,
                torch.as_tensor(embedding),
                torch.as_tensor(batch),
                torch.as_tensor(labels[: len(batch)]),
                torch.tensor([min_iou]),
            )
        )
        for batch in batches
    )
    yield Stage(
        f"mask decoder, {len(recording.prompts)} prompts",
        *(decode_all, decode_as_published, decoder_floor),
    )

    generator = MaskGenerator(settings.sam, served.encode, recording.decode)
    passing = recording.logits[recording.ious > min_iou]
    yield Stage(
        f"from the decoder's output to RLE, {len(passing)} masks",
        partial(generator.generate, rgb, embedding, settings.masks),
        partial(generate, replaying_sam(recording, settings.sam), rgb, settings.masks),
        speed.copying_ms(passing),
    )

    rng = np.random.default_rng(0)
    corners = np.sort(rng.integers(0, 480, (1000, 2, 2)), axis=1).reshape(-1, 4)
    scores = rng.random(1000, np.float32)
    # Beside it should stand torchvision's operator, which has no build for a CPU-only torch here.
    yield Stage("suppression of near-copies, 1,000 boxes", partial(nms, corners, scores, 0.7), None)

    masks = served.generate(rgb, embedding)
    runs = [rle.decode(counts, SIZE_HW) for counts in masks.segmentation]
    annotations: list[Any] = [
        {"size": list(SIZE_HW), "counts": counts} for counts in masks.segmentation
    ]
    bitmaps = [coco_mask.decode(annotation).astype(bool) for annotation in annotations]
    from segment_anything.utils.amg import coco_encode_rle, mask_to_rle_pytorch

    yield Stage(
        f"RLE of {len(runs)} masks, from runs against from pixels",
        lambda: [rle.encode(mask, SIZE_HW) for mask in runs],
        lambda: [
            coco_encode_rle(found)
            for found in mask_to_rle_pytorch(torch.as_tensor(np.stack(bitmaps)))
        ],
    )
    yield Stage(
        f"class map and the vote of {len(runs)} masks",
        partial(label_masks, logits[0], runs, SIZE_HW, segmenter.align_corners),
        lambda: closed_set.class_names(
            closed_set.grown(torch.as_tensor(logits), SIZE_HW), annotations
        ),
        speed.copying_ms(logits, np.empty(SIZE_HW, np.uint16)),
    )


def engine_stages(repository: Path) -> Iterator[Stage]:
    """What the engine does for every mask."""
    served = ClosedSet(repository)
    rgb = render_scene(scene_seed(SEED, 0), SIZE_HW).image
    rng = np.random.default_rng(0)
    corners = np.sort(rng.integers(0, 400, (ENGINE_MASKS, 2, 2)), axis=1)
    boxes = np.concatenate([corners[:, 0], corners[:, 1] - corners[:, 0] + 20], axis=1)
    boxes = boxes.astype(np.int32)
    names = [["car", "road", "a brown building", "tree"]] * ENGINE_MASKS
    crops = [rgb[y : y + h, x : x + w] for x, y, w, h in boxes.tolist()]
    reference = mini_reference(served.settings)

    captioner = build_captioner(repository, served.settings)
    yield Stage(
        f"captions of {ENGINE_MASKS} masks",
        partial(captioner.captions, rgb, boxes),
        lambda: [reference._caption(crop) for crop in crops],
    )
    clip = build_clip(repository, served.settings)
    yield Stage(
        f"CLIP among {len(names[0])} names, {ENGINE_MASKS} masks",
        partial(clip.best, rgb, boxes, names),
        lambda: [reference._clip_scores(crop, names[0]) for crop in crops],
    )
    clipseg = build_clipseg(repository, served.settings)
    masks = [
        rle.runs_of_window(np.ones((h, w), np.bool_), x, y, SIZE_HW[0])
        for x, y, w, h in boxes.tolist()
    ]
    three = [row[:3] for row in names]
    yield Stage(
        f"CLIPSeg among 3 names, {ENGINE_MASKS} masks",
        partial(clipseg.shares, rgb, masks, boxes, three),
        lambda: [reference._clipseg_winners(crop, three[0]) for crop in crops],
    )


def write_json(stages: list[Stage], speed: Speed) -> None:
    """The figures for programs."""
    content = {
        "machine": machine(),
        "speed": asdict(speed),
        "stages": [
            {
                "name": stage.name,
                "ours_ms": stage.ours_ms,
                "reference_ms": stage.reference_ms,
                "floor_ms": stage.floor_ms,
            }
            for stage in stages
        ],
    }
    path = RESULTS / "stages.json"
    path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def draw(stages: list[Stage]) -> None:
    """Bars, on a logarithmic axis: stages differ by factors of thousands."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(9, 0.55 * len(stages) + 1.2), layout="constrained")
    places = np.arange(len(stages))
    ours = [statistics.median(stage.ours_ms) for stage in stages]
    reference = [statistics.median(stage.reference_ms or [np.nan]) for stage in stages]
    axes.barh(places - 0.2, ours, 0.4, label="ours", color="#1b7f5c")
    axes.barh(places + 0.2, reference, 0.4, label="reference", color="#b9b9b9")
    floors = [np.nan if stage.floor_ms is None else stage.floor_ms for stage in stages]
    axes.plot(floors, places - 0.2, "k|", markersize=9, label="floor")
    axes.set_yticks(places, [stage.name for stage in stages])
    axes.invert_yaxis()
    axes.set_xscale("log")
    axes.set_xlabel("ms, logarithmic")
    axes.legend()
    figure.savefig(RESULTS / "stages.png", dpi=110)
    pyplot.close(figure)


if __name__ == "__main__":
    main()
