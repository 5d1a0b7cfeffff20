"""Train a mini model: `python -m ssa_export.training sam|segformer`.

The committed checkpoints were made on two CPU cores with

    python -m ssa_export.training segformer --minutes 6
    python -m ssa_export.training sam --minutes 25 --image-size 128 --out build/train/sam-128
    python -m ssa_export.training sam --minutes 25 --start build/train/sam-128

run from the repository's root after `pip install -e .[export]`. Scenes, logs and the state to
resume from go below `build/train` (about 5 GB for 3,000 scenes, drawn in some minutes at the first
run); `python -m ssa_export.training.evaluate` then says what the checkpoints are worth.
"""

from __future__ import annotations

import argparse
import logging
from pathlib import Path
from typing import Any

import torch

from ssa_export.training.data import scene_store
from ssa_export.training.loop import Schedule, Task, Trainer
from ssa_export.training.mini_sam import SamTask
from ssa_export.training.mini_segformer import SegmenterTask

_MINUTES = {"sam": 30.0, "segformer": 8.0}


def main() -> None:
    """Read the command line and train."""
    arguments = _parse()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    torch.manual_seed(arguments.seed)
    name = arguments.model
    store = scene_store(arguments.scenes, arguments.work_dir)
    task: Task[Any]
    if name == "sam":
        task = SamTask(store, arguments.image_size, arguments.start)
    else:
        task = SegmenterTask(store)
    minutes = arguments.minutes or _MINUTES[name]
    out = arguments.out or Path("export/checkpoints") / f"mini-{name}"
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


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m ssa_export.training", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("model", choices=sorted(_MINUTES))
    parser.add_argument("--minutes", type=float, help=f"of training; default {_MINUTES}")
    parser.add_argument("--image-size", type=int, default=192, help="SAM's; default 192")
    parser.add_argument("--start", type=Path, help="a SAM checkpoint to start from")
    parser.add_argument("--out", type=Path, help="the checkpoint's folder")
    parser.add_argument("--resume", action="store_true", help="go on from the last saved state")
    parser.add_argument("--scenes", type=int, default=3000, help="how many to train on")
    parser.add_argument("--work-dir", type=Path, default=Path("build/train"))
    parser.add_argument("--workers", type=int, default=2, help="batches at a time, one a core")
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


if __name__ == "__main__":
    main()
