"""Where the time goes, stage by stage, against a plain reference on the same checkpoints and image.

    python -m benchmarks.stages [--size mini|vit-b] [--repeats 5]

Each stage runs here in turn with its reference: segment-anything's generator in parts, transformers
in eager mode, loops mask by mask. The floor is what the arithmetic of a network would take at the
speed of this machine's large matrix products, or what the bytes of anything else would take to be
copied once. Writes results/stages.md and .png; `vit-b`, random weights made on the spot, has its
own, and only the stages of the closed set.
"""

from __future__ import annotations

import argparse
import io
import statistics
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from benchmarks.closed_set_speed import MODELS, Setup, mini_size, real_size
from benchmarks.engine_stages import ENGINE_MASKS, engine_stages
from benchmarks.in_process import ClosedSet
from benchmarks.perf_analyzer import as_jpeg
from benchmarks.replayed_sam import Recording, replaying_sam
from benchmarks.stage import COLUMNS, Speed, Stage
from benchmarks.tables import RESULTS, machine, records, table, write
from ssa_backend import rle, specs
from ssa_backend.embedded import EmbeddedServer
from ssa_backend.images import decode_image, sam_pixel_values, segmenter_pixel_values
from ssa_backend.masks.boxes import nms
from ssa_backend.masks.generation import FloatArray, MaskGenerator, prompts_in_caches
from ssa_backend.voting import label_masks
from ssa_client import SsaClient
from ssa_client.bench.level import measure_level
from ssa_client.bench.load import Picture
from ssa_client.evaluation.server import describe_server
from ssa_export.checkpoints.sam import load_sam as load_transformers_sam
from ssa_export.mask_decoder import MaskDecoder
from ssa_export.scenes import Scene, render_scene, scene_seed
from tests.reference.closed_set import ClosedSetReference
from tests.reference.segment_anything_sam import generate, load_sam
from tests.reference.torchvision_functions import batched_nms

SEED = 55
SIZE_HW = (480, 640)
# Points a side: time is linear in prompts, and the reference at ViT-B's size slow.
GRIDS = {"mini": 32, "vit-b": 8}
OF_RANDOM_WEIGHTS = (
    "Random weights: half of the masks pass the IoU filter, and "
    "none is stable, so that neither side writes the RLE of any."
)


def main() -> None:
    """Command line of this module."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model-repository", type=Path, default=Path("model_repository"))
    parser.add_argument("--size", choices=list(GRIDS), default="mini")
    parser.add_argument("--repeats", type=int, default=5)
    arguments = parser.parse_args()
    size, grid = arguments.size, GRIDS[arguments.size]
    mini = size == "mini"
    speed = Speed.measured()
    found = []
    sized = nullcontext(mini_size(arguments.model_repository)) if mini else real_size()
    with torch.inference_mode(), sized as setup:
        for stage in all_stages(setup, grid, speed, engine=mini):
            stage.measure(arguments.repeats)
            print(table(COLUMNS, [stage.row()]).splitlines()[-1], flush=True)
            found.append(stage)
    rows = [stage.row() for stage in found]
    name = "stages" if mini else f"stages_{size.replace('-', '_')}"
    draw(found, RESULTS / f"{name}.png")
    ratios = {stage.name: stage.ratio for stage in found if stage.ratio}
    least = min(ratios, key=lambda stage: ratios[stage])
    write(
        name,
        f"# Stage by stage, {MODELS[size]}",
        f"Written by `python -m benchmarks.stages --size {size}`: a scene of 640x480, "
        f"{grid} points a side; medians of {arguments.repeats} runs in turn. "
        + (
            f"Mini models, {ENGINE_MASKS} masks for the engine; transport is what a request takes "
            "longer at the client than its pipeline by Triton's statistics, a difference whose "
            "single runs scatter by milliseconds."
            if mini
            else OF_RANDOM_WEIGHTS
        ),
        "Peak memory is above what this process had before a side first ran, weights loaded; what "
        "ONNX Runtime keeps from then on is in it. "
        "Suppression's reference is a loop over PyTorch's operators "
        "(`tests/reference/torchvision_functions.py`), as torchvision's compiled one is not at "
        f"hand. A floor is arithmetic at {speed.gflops:.0f} GFLOP/s, or bytes at "
        f"{speed.gb_s:.1f} GB/s, measured just before.",
        machine(),
        table(COLUMNS, rows),
        f"![Stages]({name}.png)",
        headlines=[
            f"stage by stage, {MODELS[size]}: **{statistics.median(ratios.values()):.1f} times** "
            f"as fast as a plain reference in the middle, {ratios[least]:.1f} at the least "
            f"({least})"
        ],
        figures={
            "speed": asdict(speed),
            "stages": records(COLUMNS, rows),
            "runs, ms": {
                stage.name: {
                    "ours": stage.ours.ms,
                    "reference": stage.reference.ms if stage.reference else [],
                }
                for stage in found
            },
        },
    )


def all_stages(setup: Setup, grid: int, speed: Speed, engine: bool) -> Iterator[Stage]:
    """Each is measured before the next is asked for."""
    scene = render_scene(scene_seed(SEED, 0), SIZE_HW)
    yield from closed_set_stages(setup, scene, grid, speed)
    if engine:
        yield from engine_stages(setup.repository, scene.image, speed)
        yield from transport(setup.repository, as_jpeg(scene.image), speed)


def closed_set_stages(setup: Setup, scene: Scene, grid: int, speed: Speed) -> Iterator[Stage]:
    """From a JPEG to names, in the order of the pipeline."""
    served = ClosedSet(setup.repository)
    settings, segmenter = served.settings, served.segmenter
    wanted = replace(settings.masks, points_per_side=grid, **setup.changes)
    sam, closed_set = load_sam(setup.sam), ClosedSetReference(setup.segmenter)
    from segment_anything import SamPredictor

    predictor = SamPredictor(sam)
    rgb, jpeg = scene.image, as_jpeg(scene.image)
    pixels, segmenter_pixels = (
        sam_pixel_values(rgb, settings.sam),
        segmenter_pixel_values(rgb, segmenter),
    )

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

    # Not before: what ONNX Runtime takes in a network's first runs is memory of that stage.
    embedding, logits = served.encode(pixels), served.segment(segmenter_pixels)

    recording = Recording.of(setup.sam, rgb, wanted)
    prompts = recording.prompts[:, None]
    generator = MaskGenerator(settings.sam, served.encode, recording.decode)
    most = prompts_in_caches(settings.sam, wanted, torch.get_num_threads())
    batches = in_parts(prompts, most)
    min_iou = wanted.pred_iou_thresh
    labels = np.ones((wanted.points_per_batch, 1), np.int64)

    def decode_all() -> None:
        # As many batches at a time as the decoder has instances, each on its share of the cores.
        with ThreadPoolExecutor(specs.SAM_MASK_DECODER.instances) as threads:
            list(threads.map(decode_batch, batches))

    def decode_batch(batch: FloatArray) -> None:
        served.decode(embedding, batch, labels[: len(batch)], min_iou)

    def decode_as_published() -> None:
        for batch in in_parts(prompts, wanted.points_per_batch):
            points = (torch.as_tensor(batch), torch.as_tensor(labels[: len(batch)]))
            sparse, dense = sam.prompt_encoder(points, None, None)
            positions = sam.prompt_encoder.get_dense_pe()
            sam.mask_decoder(torch.as_tensor(embedding), positions, sparse, dense, True)

    ours = MaskDecoder(load_transformers_sam(str(setup.sam)).model)
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
        f"mask decoder, {len(prompts)} prompts", decode_all, decode_as_published, decoder_floor
    )

    passing = recording.logits[recording.ious > min_iou]
    yield Stage(
        f"from the decoder's output to RLE, {len(passing)} masks",
        partial(generator.generate, rgb, embedding, wanted),
        partial(generate, replaying_sam(recording, settings.sam), rgb, wanted),
        speed.copying_ms(passing),
    )

    rng = np.random.default_rng(0)
    corners = np.sort(rng.integers(0, 480, (1000, 2, 2)), axis=1).reshape(-1, 4)
    scores = rng.random(1000, np.float32)
    tensors = (torch.as_tensor(corners), torch.as_tensor(scores), torch.zeros(len(corners)))
    yield Stage(
        "suppression of near-copies, 1,000 boxes",
        partial(nms, corners, scores, 0.7),
        partial(batched_nms, *tensors, 0.7),
    )

    bitmaps = np.stack([scene.mask(instance.id) for instance in scene.instances])
    runs = [rle.runs_of_mask(bitmap) for bitmap in bitmaps]
    annotations: list[Any] = [
        {"size": list(SIZE_HW), "counts": rle.encode(mask, SIZE_HW)} for mask in runs
    ]
    from segment_anything.utils.amg import coco_encode_rle, mask_to_rle_pytorch

    yield Stage(
        f"RLE of {len(runs)} masks, from runs against from pixels",
        lambda: [rle.encode(mask, SIZE_HW) for mask in runs],
        lambda: [coco_encode_rle(found) for found in mask_to_rle_pytorch(torch.as_tensor(bitmaps))],
    )
    yield Stage(
        f"class map and the vote of {len(runs)} masks",
        partial(label_masks, logits[0], runs, SIZE_HW, segmenter.align_corners),
        lambda: closed_set.class_names(
            closed_set.grown(torch.as_tensor(logits), SIZE_HW), annotations
        ),
        speed.copying_ms(logits, np.empty(SIZE_HW, np.uint16)),
    )


def in_parts(prompts: FloatArray, most: int) -> list[FloatArray]:
    """Batches of `most` prompts at most, as even as can be."""
    return np.array_split(prompts, -(-len(prompts) // most))


def transport(repository: Path, jpeg: bytes, speed: Speed) -> Iterator[Stage]:
    """What a request takes at the client beyond its pipeline: packing, gRPC, reading the answer."""
    pictures = [Picture("scene", jpeg)]
    embedded = EmbeddedServer(repository, http_port=0, grpc_port=0, metrics_port=0)
    with embedded as server, SsaClient(server.grpc_url, timeout_s=600) as client:
        described = describe_server(server.grpc_url, specs.SSA.name)

        def beyond_the_pipeline_ms(run: Callable[[], Any]) -> float:
            level = measure_level(lambda _: run(), described, pictures, 1, 1, 0)
            assert level.transport_ms is not None
            return level.transport_ms

        answer = client.segment(jpeg)
        yield Stage(
            "transport of a request and its answer",
            partial(client.segment, jpeg),
            None,
            speed.copying_ms(np.frombuffer(jpeg, np.uint8), answer.semantic_map),
            beyond_the_pipeline_ms,
        )


def draw(stages: list[Stage], path: Path) -> None:
    """Bars of time and of memory, on logarithmic axes: stages differ by factors of thousands."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    size = (13, 0.55 * len(stages) + 1.2)
    figure, both = pyplot.subplots(1, 2, sharey=True, figsize=size, layout="constrained")
    places = np.arange(len(stages))
    for axes, figure_of, unit in zip(
        both, ("median_ms", "peak_mb"), ("ms", "peak MB"), strict=True
    ):
        for k, (side, color) in enumerate({"ours": "#1b7f5c", "reference": "#b9b9b9"}.items()):
            bars = [getattr(getattr(stage, side), figure_of, np.nan) for stage in stages]
            axes.barh(places + 0.4 * k - 0.2, bars, 0.4, label=side, color=color)
        axes.set_xscale("log")
        axes.set_xlabel(f"{unit}, logarithmic")
    floors = [np.nan if stage.floor_ms is None else stage.floor_ms for stage in stages]
    both[0].plot(floors, places - 0.2, "k|", markersize=9, label="floor")
    both[0].set_yticks(places, [stage.name for stage in stages])
    both[0].invert_yaxis()
    both[0].legend()
    figure.savefig(path, dpi=110)
    pyplot.close(figure)


if __name__ == "__main__":
    main()
