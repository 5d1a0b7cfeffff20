"""The training loop that all mini models share: so many minutes, resumable, averaged weights.

Each worker thread takes a batch of its own through the model with single-threaded operators, and
the gradients add up. Compared with operators that share the cores this leaves no barriers between
them, at which a busy machine would lose most of its time.

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
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, Protocol, TypeVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

_logger = logging.getLogger(__name__)

B = TypeVar("B")


class Task(Protocol[B]):
    """What is trained. `progress` runs from 0 to 1 over the whole run."""

    module: nn.Module
    learning_rate: float

    def batch(self, rng: np.random.Generator, progress: float) -> B:
        """Draw one worker's batch. Runs in another thread than `loss`."""
        ...

    def loss(self, batch: B, progress: float) -> tuple[Tensor, dict[str, float]]:
        """The scalar to minimise, and figures for the log. Runs in several threads at once."""
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
    ema_decay: float = 0.997
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
        workers: how many batches are worked on at a time, one a core.
    """

    def __init__(
        self, task: Task[B], schedule: Schedule, state_file: Path, out: Path, workers: int = 2
    ) -> None:
        self._task = task
        self._workers = ThreadPoolExecutor(
            workers, initializer=torch.set_num_threads, initargs=(1,)
        )
        self._worker_count = workers
        self._schedule = schedule
        self._state_file = state_file
        self._out = out
        self._averaged = AveragedModel(
            task.module, multi_avg_fn=_moving_average(schedule.ema_decay)
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
        for batches in self._batches():
            for name, value in self._train_step(batches).items():
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

    def _train_step(self, batches: list[B]) -> dict[str, float]:
        rate = self._task.learning_rate * self._schedule.rate(self.progress)
        for group in self._optimizer.param_groups:
            group["lr"] = rate
        figures = list(self._workers.map(self._backward, batches))
        norm = nn.utils.clip_grad_norm_(self._task.module.parameters(), self._schedule.clip_norm)
        self._optimizer.step()
        self._optimizer.zero_grad()
        self._averaged.update_parameters(self._task.module)
        self._step += 1
        means = {name: float(np.mean([f[name] for f in figures])) for name in figures[0]}
        return {**means, "norm": float(norm)}

    def _backward(self, batch: B) -> dict[str, float]:
        loss, figures = self._task.loss(batch, self.progress)
        (loss / self._worker_count).backward()  # type: ignore[no-untyped-call]
        return {"loss": float(loss.detach()), **figures}

    def _batches(self) -> Iterator[list[B]]:
        """One batch for each worker until time is over, drawn ahead in a thread.

        Each is drawn from its own seed, so that the same step sees the same batches in every run.
        """
        ready: queue.Queue[list[B] | Exception] = queue.Queue(maxsize=4)
        over = threading.Event()

        def draw() -> None:
            step = self._step
            try:
                while not over.is_set():
                    ready.put([self._draw(step, worker) for worker in range(self._worker_count)])
                    step += 1
            except Exception as error:  # raised again where the batches are awaited
                ready.put(error)

        threading.Thread(target=draw, daemon=True).start()
        while self.progress < 1:
            batches = ready.get()
            if isinstance(batches, Exception):
                raise batches
            yield batches
        over.set()

    def _draw(self, step: int, worker: int) -> B:
        rng = np.random.default_rng([self._schedule.seed, step, worker])
        return self._task.batch(rng, self.progress)

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


def _moving_average(
    decay: float,
) -> Callable[[Sequence[Tensor], Sequence[Tensor], Tensor | int], None]:
    """Exponential, but for the start of a run, where the first weights would weigh too long."""

    @torch.no_grad()
    def update(averaged: Sequence[Tensor], current: Sequence[Tensor], steps: Tensor | int) -> None:
        share = max(1 - decay, 4 / (5 + int(steps)))
        torch._foreach_lerp_(list(averaged), list(current), share)

    return update


def _parameter_groups(module: nn.Module, weight_decay: float) -> list[dict[str, object]]:
    """Matrices decay; biases, norms and embeddings of one row do not."""
    trainable = [p for p in module.parameters() if p.requires_grad]
    return [
        {"params": [p for p in trainable if p.ndim > 1], "weight_decay": weight_decay},
        {"params": [p for p in trainable if p.ndim <= 1], "weight_decay": 0.0},
    ]
