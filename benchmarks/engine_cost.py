"""What a mask costs: the served engine against the original's mask-by-mask algorithm.

    python -m benchmarks.engine_cost [--sizes mini real] [--masks 50] [--real-masks 8]

Both sides name the same given masks of the same scenes, in turn, on the same cores: the engine
through a real server over gRPC, the original (`tests/reference/engine.py`) in PyTorch. Every repeat
is another scene, so that neither side sees an image twice; the first, to warm up, does not count.
`mini` is the committed repository. `real` is CLIP B/32, BLIP base and CLIPSeg rd16 with random
weights, made and exported on the spot (minutes, and 5 GB of disk).

Beside the time that passes stands the processor time of all processes of a side, which tells more
where other work shares the cores. PyTorch's second thread spends some of it waiting: compare
processor times with `--threads 1`.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import psutil
import torch

from benchmarks.engine_real_size import build
from ssa_backend.embedded import EmbeddedServer
from ssa_backend.engine.noun_phrases import best_available
from ssa_backend.settings import RepositorySettings
from ssa_client import SsaClient
from ssa_export.presets import CHECKPOINTS, Preset
from ssa_export.repository import export_repository
from tests.reference.engine import EngineReference
from tests.reference.engine_scenes import given_scene, many_masks, mini_reference

RESULTS = Path(__file__).parent / "results" / "engine_cost.md"
SEED = 90
TIMEOUT_S = 3600.0
COLUMNS = (
    "models",
    "masks",
    "repeats",
    "engine, ms a mask",
    "original, ms a mask",
    "ratio",
    "engine, CPU ms",
    "original, CPU ms",
    "ratio",
    "same names",
    "load average",
)


@dataclass
class Side:
    """What each repeat took on one side, in seconds of the clock and of the processors."""

    wall_s: list[float] = field(default_factory=list)
    cpu_s: list[float] = field(default_factory=list)


@dataclass
class Comparison:
    """Both sides, and on how many masks they agree."""

    masks: int
    engine: Side = field(default_factory=Side)
    original: Side = field(default_factory=Side)
    same: int = 0

    def cells(self, models: str) -> list[str]:
        """A row of the results."""
        repeats = len(self.engine.wall_s)
        return [
            models,
            str(self.masks),
            str(repeats),
            _spread(self.engine.wall_s, self.masks),
            _spread(self.original.wall_s, self.masks),
            f"**{_ratio(self.original.wall_s, self.engine.wall_s):.1f}**",
            _spread(self.engine.cpu_s, self.masks),
            _spread(self.original.cpu_s, self.masks),
            f"{_ratio(self.original.cpu_s, self.engine.cpu_s):.1f}",
            f"{self.same} of {repeats * self.masks}",
            f"{os.getloadavg()[1]:.1f}",
        ]


def main() -> None:
    """Command line of this module."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model-repository", type=Path, default=Path("model_repository"))
    parser.add_argument("--sizes", nargs="+", choices=["mini", "real"], default=["mini", "real"])
    parser.add_argument("--masks", type=int, default=50, help="of the mini models")
    parser.add_argument("--real-masks", type=int, default=8)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2, help="of PyTorch, for the original")
    arguments = parser.parse_args()

    torch.set_num_threads(arguments.threads)
    rows = []
    if "mini" in arguments.sizes:
        repository = arguments.model_repository
        reference = mini_reference(RepositorySettings.load(repository))
        comparison = compare(repository, reference, arguments.masks, arguments.repeats)
        rows.append(comparison.cells("mini"))
    if "real" in arguments.sizes:
        with real_size() as (repository, reference):
            comparison = compare(repository, reference, arguments.real_masks, arguments.repeats)
        rows.append(comparison.cells("CLIP B/32, BLIP base, CLIPSeg rd16"))
    write(rows, arguments.threads)


def compare(repository: Path, reference: EngineReference, masks: int, repeats: int) -> Comparison:
    """Time both sides in turn on scene after scene."""
    comparison = Comparison(masks)
    embedded = EmbeddedServer(repository, http_port=0, grpc_port=0, metrics_port=0)
    with embedded as server, SsaClient(server.grpc_url, timeout_s=TIMEOUT_S) as client:
        assert server.process
        server_cpu_s = partial(cpu_s, (server.process.pid, *server.process.stubs()))
        for k in range(repeats + 1):
            image, given = given_scene(SEED, k, 100).image, many_masks(SEED, k, masks)
            engine_side, original_side = Side(), Side()
            with timed(engine_side, server_cpu_s):
                engine = client.label(image, masks=given).masks
            with timed(original_side, time.process_time):
                original = list(reference.label(image, given))
            print(f"scene {k}: {engine_side}, {original_side}", flush=True)
            if k > 0:
                _extend(comparison.engine, engine_side)
                _extend(comparison.original, original_side)
                pairs = zip(engine, original, strict=True)
                comparison.same += sum(a.class_name == b.class_name for a, b in pairs)
    return comparison


@contextmanager
def timed(side: Side, cpu: Callable[[], float]) -> Iterator[None]:
    """Add what the block takes to `side`; `cpu` reads the processor time of its processes."""
    wall_started, cpu_started = time.perf_counter(), cpu()
    yield
    side.wall_s.append(time.perf_counter() - wall_started)
    side.cpu_s.append(cpu() - cpu_started)


def cpu_s(pids: Iterable[int]) -> float:
    """Processor seconds that these processes have used."""
    times = [psutil.Process(pid).cpu_times() for pid in pids]
    return float(sum(t.user + t.system for t in times))


@contextmanager
def real_size() -> Iterator[tuple[Path, EngineReference]]:
    """A repository of real size, and the reference over the same checkpoints."""
    with tempfile.TemporaryDirectory() as folder:
        checkpoints = build(Path(folder))
        preset = Preset(
            "real-size",
            sam=str(CHECKPOINTS / "mini-sam"),
            coco=str(checkpoints.coco),
            ade20k=str(checkpoints.ade20k),
            blip=str(checkpoints.blip),
            clip=str(checkpoints.clip),
            clipseg=str(checkpoints.clipseg),
        )
        repository = Path(folder) / "repository"
        settings = export_repository(preset, repository, report=print)
        assert settings.clipseg
        side = settings.clipseg.image_size
        yield repository, EngineReference(checkpoints, best_available(), side)


def _extend(side: Side, repeat: Side) -> None:
    side.wall_s += repeat.wall_s
    side.cpu_s += repeat.cpu_s


def _ratio(original_s: list[float], engine_s: list[float]) -> float:
    return statistics.median(original_s) / statistics.median(engine_s)


def _spread(seconds: list[float], masks: int) -> str:
    low, middle, high = (
        1000 * s / masks for s in (min(seconds), statistics.median(seconds), max(seconds))
    )
    return f"{middle:.0f} ({low:.0f} to {high:.0f})"


def write(rows: list[list[str]], threads: int) -> None:
    """Print the results and write them to their file."""
    head = (
        "# What a mask costs",
        "",
        "Given masks of held-out scenes, 480x640, written by `python -m benchmarks.engine_cost`. "
        "The engine through a real server over gRPC, against the original's algorithm, mask by "
        "mask, in PyTorch, in turn. Median (least to most) of the repeats, each on another scene, "
        "a warm-up left out; ratios are of the medians.",
        "",
        f"{platform.machine()}, {len(os.sched_getaffinity(0))} cores, torch {torch.__version__} "
        f"on {threads} threads, embedded server.",
        "",
    )
    table = [COLUMNS, ("---",) * len(COLUMNS), *rows]
    text = "\n".join([*head, *(f"| {' | '.join(cells)} |" for cells in table)]) + "\n"
    RESULTS.write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
