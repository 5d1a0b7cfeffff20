"""The training loop that both mini models share: so many minutes, resumable, averaged weights.

AdamW (Loshchilov and Hutter, 2019) with a warm-up and a cosine schedule over wall-clock time, so
that a run ends when it should on any machine. What is saved is the exponential moving average of
the weights, which after a short training is worth much more than the last step's.
"""

from __future__ import annotations

import logging
import math
import queue
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, Protocol, TypeVar

import numpy as np
import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

_logger = logging.getLogger(__name__)

B = TypeVar("B")


class Task(Protocol[B]):
    """What is trained. `progress` runs from 0 to 1 over the whole run."""

    module: nn.Module
    learning_rate: float

    def batch(self, rng: np.random.Generator, progress: float) -> B:
        """Draw one batch. Runs in another thread than `loss`."""
        ...

    def loss(self, batch: B, progress: float) -> tuple[torch.Tensor, dict[str, float]]:
        """The scalar to minimise, and figures for the log."""
        ...

    def save(self, module: nn.Module, folder: Path) -> None:
        """Write `module`, a copy of `self.module` with averaged weights, as a checkpoint."""
        ...


@dataclass(frozen=True)
class Schedule:
    """How long, and how often to report and to save. Times in seconds."""

    total_s: float
    log_every_s: float = 30.0
    save_every_s: float = 240.0
    warm_up: float = 0.03
    final_rate: float = 0.01
    ema_decay: float = 0.998
    clip_norm: float = 1.0
    weight_decay: float = 0.05
    seed: int = 0

    def rate(self, progress: float) -> float:
        """The share of the peak learning rate to use at `progress`."""
        if progress < self.warm_up:
            return (progress + 1e-3) / (self.warm_up + 1e-3)
        cosine = 0.5 * (1 + math.cos(math.pi * (progress - self.warm_up) / (1 - self.warm_up)))
        return self.final_rate + (1 - self.final_rate) * cosine


class Trainer(Generic[B]):
    """Runs a task to the end of its schedule.

    Args:
        state_file: where everything needed to go on after an interruption is kept.
        out: the checkpoint's folder.
    """

    def __init__(self, task: Task[B], schedule: Schedule, state_file: Path, out: Path) -> None:
        self._task = task
        self._schedule = schedule
        self._state_file = state_file
        self._out = out
        self._averaged = AveragedModel(
            task.module,
            multi_avg_fn=get_ema_multi_avg_fn(schedule.ema_decay),  # type: ignore[no-untyped-call]
        )
        self._optimizer = torch.optim.AdamW(
            _parameter_groups(task.module, schedule.weight_decay),
            lr=task.learning_rate,
            betas=(0.9, 0.98),
            fused=True,
        )
        self._step = 0
        self._elapsed_s = 0.0

    @property
    def progress(self) -> float:
        """How much of the schedule has passed, 0 to 1."""
        return min(self._elapsed_s / self._schedule.total_s, 1.0)

    def resume(self) -> None:
        """Go on from `state_file`."""
        state = torch.load(self._state_file, weights_only=True)
        self._task.module.load_state_dict(state["module"])
        self._averaged.load_state_dict(state["averaged"])
        self._optimizer.load_state_dict(state["optimizer"])
        self._step, self._elapsed_s = state["step"], state["elapsed_s"]
        _logger.info("resumed at step %d, %.1f min", self._step, self._elapsed_s / 60)

    def run(self) -> None:
        """Train until the schedule's time is over, then save."""
        figures: defaultdict[str, list[float]] = defaultdict(list)
        logged_s = saved_s = self._elapsed_s
        last = time.monotonic()
        for batch in self._batches():
            for name, value in self._train_step(batch).items():
                figures[name].append(value)
            now = time.monotonic()
            self._elapsed_s += now - last
            last = now
            if self._elapsed_s - logged_s >= self._schedule.log_every_s:
                self._log(figures)
                figures.clear()
                logged_s = self._elapsed_s
            if self._elapsed_s - saved_s >= self._schedule.save_every_s:
                self._save()
                saved_s = self._elapsed_s
                last = time.monotonic()
        self._save()

    def _train_step(self, batch: B) -> dict[str, float]:
        rate = self._task.learning_rate * self._schedule.rate(self.progress)
        for group in self._optimizer.param_groups:
            group["lr"] = rate
        loss, figures = self._task.loss(batch, self.progress)
        loss.backward()  # type: ignore[no-untyped-call]
        norm = nn.utils.clip_grad_norm_(self._task.module.parameters(), self._schedule.clip_norm)
        self._optimizer.step()
        self._optimizer.zero_grad()
        self._averaged.update_parameters(self._task.module)
        self._step += 1
        return {"loss": float(loss.detach()), **figures, "norm": float(norm)}

    def _batches(self) -> Iterator[B]:
        """Batches until time is over, drawn ahead in a thread.

        Each is drawn from its own seed, so that the same step sees the same batch in every run.
        """
        ready: queue.Queue[B | Exception] = queue.Queue(maxsize=4)
        over = threading.Event()

        def draw() -> None:
            step = self._step
            try:
                while not over.is_set():
                    rng = np.random.default_rng([self._schedule.seed, step])
                    ready.put(self._task.batch(rng, self.progress))
                    step += 1
            except Exception as error:  # raised again where the batch is awaited
                ready.put(error)

        threading.Thread(target=draw, daemon=True).start()
        while self.progress < 1:
            batch = ready.get()
            if isinstance(batch, Exception):
                raise batch
            yield batch
        over.set()

    def _log(self, figures: dict[str, list[float]]) -> None:
        means = "  ".join(f"{name} {np.mean(values):.4f}" for name, values in figures.items())
        _logger.info("%6.1f min  step %6d  %s", self._elapsed_s / 60, self._step, means)

    def _save(self) -> None:
        self._task.save(self._averaged.module, self._out)
        self._state_file.parent.mkdir(parents=True, exist_ok=True)
        partial = self._state_file.with_suffix(".partial")
        state = {
            "module": self._task.module.state_dict(),
            "averaged": self._averaged.state_dict(),
            "optimizer": self._optimizer.state_dict(),
            "step": self._step,
            "elapsed_s": self._elapsed_s,
        }
        torch.save(state, partial)
        partial.replace(self._state_file)
        _logger.info("saved %s at step %d", self._out, self._step)


def _parameter_groups(module: nn.Module, weight_decay: float) -> list[dict[str, object]]:
    """Matrices decay; biases, norms and embeddings of one row do not."""
    trainable = [p for p in module.parameters() if p.requires_grad]
    return [
        {"params": [p for p in trainable if p.ndim > 1], "weight_decay": weight_decay},
        {"params": [p for p in trainable if p.ndim <= 1], "weight_decay": 0.0},
    ]
