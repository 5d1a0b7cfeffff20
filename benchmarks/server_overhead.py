"""What the server costs: a request over gRPC against the same steps in one process; and throughput.

    python -m benchmarks.server_overhead [--images 30]

Both get the same JPEGs in turn. Then the server gets more requests at a time. How busy the cores
were is the processor time of all of its processes and the client's over the time that passed.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from benchmarks.engine_cost import cpu_s
from benchmarks.in_process import ClosedSet
from benchmarks.perf_analyzer import as_jpeg
from benchmarks.tables import machine, records, table, write
from ssa_backend.embedded import EmbeddedServer
from ssa_client import SsaClient
from ssa_export.scenes import render_scene, scene_seed

SEED = 65
SIZE_HW = (480, 640)
LEVELS = (1, 2, 4, 8)
OVERHEAD_COLUMNS = {
    "served, ms": "{:.0f}",
    "in process, ms": "{:.0f}",
    "overhead, ms": "{:.0f}",
    "overhead, %": "**{:.1f}**",
}
LEVEL_COLUMNS = {
    "requests at a time": "{}",
    "images/s": "{:.3f}",
    "p50, ms": "{:.0f}",
    "cores busy": "{:.2f}",
    "to one at a time": "{:.2f}",
}


def main() -> None:
    """Command line of this module."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model-repository", type=Path, default=Path("model_repository"))
    parser.add_argument("--images", type=int, default=30)
    arguments = parser.parse_args()
    jpegs = [
        as_jpeg(render_scene(scene_seed(SEED, k), SIZE_HW).image) for k in range(arguments.images)
    ]
    repository = arguments.model_repository
    embedded = EmbeddedServer(repository, http_port=0, grpc_port=0, metrics_port=0)
    with embedded as server, SsaClient(server.grpc_url, timeout_s=600) as client:
        overhead = compare(ClosedSet(repository), client, jpegs)
        assert server.process
        processes = [os.getpid(), server.process.pid, *server.process.stubs()]
        levels = [throughput(client, jpegs, level, processes) for level in LEVELS]
    # To one request at a time.
    levels = [[*level, level[1] / levels[0][1]] for level in levels]
    write(
        "server_overhead",
        "# What the server costs",
        f"Written by `python -m benchmarks.server_overhead`: {len(jpegs)} JPEGs of 640x480 to "
        "`ssa` of the mini models over gRPC, and the same steps in one process with as many ONNX "
        "Runtime sessions and threads, in turn.",
        machine(),
        table(OVERHEAD_COLUMNS, [overhead]),
        "More requests at a time:",
        table(LEVEL_COLUMNS, levels),
        headlines=[
            f"the server adds **{overhead[-1]:.1f}%** to the same steps in one process; "
            + ", ".join(f"{level[0]} requests at a time {level[-1]:.2f}" for level in levels[1:])
            + " times the images a second of one"
        ],
        figures={
            "overhead": records(OVERHEAD_COLUMNS, [overhead]),
            "levels": records(LEVEL_COLUMNS, levels),
        },
    )


def compare(in_process: ClosedSet, client: SsaClient, jpegs: list[bytes]) -> list[float]:
    """Medians of both, and of what one takes more on the same image."""
    served, alone = [], []
    for jpeg in [jpegs[0], *jpegs]:
        started = time.perf_counter()
        client.segment(jpeg)
        middle = time.perf_counter()
        in_process.run(jpeg)
        served.append(1000 * (middle - started))
        alone.append(1000 * (time.perf_counter() - middle))
    del served[0], alone[0]  # to warm up
    more = statistics.median(a - b for a, b in zip(served, alone, strict=True))
    middle_ms = statistics.median(alone)
    return [statistics.median(served), middle_ms, more, 100 * more / middle_ms]


def throughput(
    client: SsaClient, jpegs: list[bytes], level: int, processes: list[int]
) -> list[float]:
    """A row of the table: `level` requests on their way all the time."""

    def timed(jpeg: bytes) -> float:
        started = time.perf_counter()
        client.segment(jpeg)
        return time.perf_counter() - started

    with ThreadPoolExecutor(level) as threads:
        list(threads.map(timed, jpegs[:level]))
        cpu, started = cpu_s(processes), time.perf_counter()
        latencies = list(threads.map(timed, jpegs))
        seconds = time.perf_counter() - started
    return [
        level,
        len(jpegs) / seconds,
        1000 * statistics.median(latencies),
        (cpu_s(processes) - cpu) / seconds,
    ]


if __name__ == "__main__":
    main()
