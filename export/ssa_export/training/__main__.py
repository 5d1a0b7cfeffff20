"""Train a mini model: `python -m ssa_export.training sam|segformer`.

The committed checkpoints were made on two CPU cores with

    python -m ssa_export.training segformer --minutes 6
    python -m ssa_export.training sam --minutes 60

run from the repository's root after `pip install -e .[export]`. Scenes, logs and the state to
resume from go below `build/train` (about 5 GB for 3,000 scenes, drawn in some minutes at the first
run); `python -m ssa_export.training.evaluate` then says what the checkpoints are worth.
"""

from __future__ import annotations

import argparse
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from ssa_export.training.data import SceneStore, scene_store
from ssa_export.training.loop import Schedule, Task, Trainer
from ssa_export.training.mini_sam import SamTask
from ssa_export.training.mini_segformer import SegmenterTask

_TASKS: dict[str, Callable[[SceneStore], Task[Any]]] = {"sam": SamTask, "segformer": SegmenterTask}
_MINUTES = {"sam": 60.0, "segformer": 6.0}


def main() -> None:
    """Read the command line and train."""
    arguments = _parse()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    torch.manual_seed(arguments.seed)
    torch.set_num_threads(arguments.threads)
    name = arguments.model
    store = scene_store(arguments.scenes, arguments.work_dir)
    task: Task[Any] = _TASKS[name](store)
    minutes = arguments.minutes or _MINUTES[name]
    trainer = Trainer(
        task,
        Schedule(total_s=minutes * 60, seed=arguments.seed),
        state_file=arguments.work_dir / f"{name}.pt",
        out=arguments.out or Path("export/checkpoints") / f"mini-{name}",
    )
    if arguments.resume:
        trainer.resume()
    trainer.run()


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m ssa_export.training", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("model", choices=sorted(_TASKS))
    parser.add_argument("--minutes", type=float, help=f"of training; default {_MINUTES}")
    parser.add_argument("--out", type=Path, help="the checkpoint's folder")
    parser.add_argument("--resume", action="store_true", help="go on from the last saved state")
    parser.add_argument("--scenes", type=int, default=3000, help="how many to train on")
    parser.add_argument("--work-dir", type=Path, default=Path("build/train"))
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


if __name__ == "__main__":
    main()
