"""Train a mini model: `python -m ssa_export.training NAME`.

From the repository's root, with the `export` extra installed:

    python -m ssa_export.training segformer
    python -m ssa_export.training sam --out build/train/sam-128
    python -m ssa_export.training sam --image-size 192 --grow-from build/train/sam-128.pt
    python -m ssa_export.training.calibrate
    python -m ssa_export.training.evaluate

trains on two CPU cores, fits the scores of the mini SAM and says what the two are worth on scenes
that they have not seen. The labelling engine's models start from one another in this order:

    python -m ssa_export.training segformer-coco
    python -m ssa_export.training segformer-ade20k
    python -m ssa_export.training clip
    python -m ssa_export.training blip
    python -m ssa_export.training clipseg
    python -m ssa_export.training.evaluate_engine

More `--minutes` give better models. An interrupted run goes on with `--resume`, also with more
minutes than it began with. Scenes, crops and the state to resume from are kept below `build/train`:
5 GB for 3,000 scenes, 2 GB for crops of them, made in some minutes at the first run.

The committed checkpoints came about so, but on cores shared with other work and with changes along
the way (the segmenter's first half was at 128 pixels): another run gives other weights, and figures
that are alike.
"""

from __future__ import annotations

import argparse
import logging
from pathlib import Path
from typing import Any

import torch

from ssa_export.training.crops import crop_store
from ssa_export.training.data import scene_store
from ssa_export.training.loop import Schedule, Task, Trainer
from ssa_export.training.mini_blip import BlipTask
from ssa_export.training.mini_clip import ClipTask
from ssa_export.training.mini_clipseg import ClipsegTask
from ssa_export.training.mini_sam import SamTask
from ssa_export.training.mini_segformer import LABEL_SETS, SegmenterTask

_MINUTES = {
    "sam": 48.0,
    "segformer": 20.0,
    "segformer-coco": 6.0,
    "segformer-ade20k": 6.0,
    "clip": 10.0,
    "blip": 12.0,
    "clipseg": 15.0,
}
_CHECKPOINTS = Path("export/checkpoints")
_START_FROM = {
    "segformer-coco": _CHECKPOINTS / "mini-segformer",
    "segformer-ade20k": _CHECKPOINTS / "mini-segformer-coco",
}


def main() -> None:
    """Read the command line and train."""
    arguments = _parse()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    torch.manual_seed(arguments.seed)
    name = arguments.model
    task = _task(arguments)
    minutes = arguments.minutes or _MINUTES[name]
    out = arguments.out or _CHECKPOINTS / f"mini-{name}"
    trainer: Trainer[Any] = Trainer(
        task,
        Schedule(total_s=minutes * 60, seed=arguments.seed),
        state_file=arguments.work_dir / f"{out.name}.pt",
        out=out,
        workers=arguments.workers,
    )
    if arguments.resume:
        trainer.resume()
    trainer.run()


def _task(arguments: argparse.Namespace) -> Task[Any]:
    name = arguments.model
    if name in ("clip", "blip", "clipseg"):
        crops = crop_store(arguments.crops, arguments.scenes, arguments.work_dir)
        if name == "clipseg":
            return ClipsegTask(crops, _CHECKPOINTS / "mini-clip")
        return ClipTask(crops) if name == "clip" else BlipTask(crops)
    store = scene_store(arguments.scenes, arguments.work_dir)
    if name == "sam":
        return SamTask(store, arguments.image_size, arguments.grow_from)
    start = arguments.start_from or _START_FROM.get(name)
    return SegmenterTask(store, LABEL_SETS[name], start)


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m ssa_export.training", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("model", choices=sorted(_MINUTES))
    parser.add_argument("--minutes", type=float, help=f"of training; default {_MINUTES}")
    parser.add_argument("--image-size", type=int, default=128, help="side of the mini SAM's input")
    parser.add_argument("--grow-from", type=Path, help="go on from a smaller mini SAM's state file")
    parser.add_argument(
        "--start-from", type=Path, help=f"folder of a mini Segformer; default {_START_FROM}"
    )
    parser.add_argument("--out", type=Path, help="the checkpoint's folder")
    parser.add_argument("--resume", action="store_true", help="go on from the last saved state")
    parser.add_argument("--scenes", type=int, default=3000, help="how many to train on")
    parser.add_argument("--crops", type=int, default=24000, help="how many to cut from them")
    parser.add_argument("--work-dir", type=Path, default=Path("build/train"))
    parser.add_argument("--workers", type=int, default=2, help="batches at a time, one a core")
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


if __name__ == "__main__":
    main()
