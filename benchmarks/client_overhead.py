"""Whether `ssa annotate` keeps a server as busy as perf_analyzer does.

    python -m benchmarks.client_overhead --environment .venv-perf [--concurrency 4] [--images 60]

Both send the same JPEG to the same server with as many requests in flight, in turn. A job's images
are copies of it, and its time is that of the whole command: start, files, fsync and all.
"""

from __future__ import annotations

import argparse
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks import perf_analyzer
from benchmarks.tables import machine, table, write
from ssa_backend import specs
from ssa_backend.embedded import EmbeddedServer

COLUMNS = ("round", "perf_analyzer, images/s", "`ssa annotate`, images/s", "share")
ANNOTATE = (sys.executable, "-c", "from ssa_client.cli import app; app()", "annotate")


def main() -> None:
    """Command line of this module."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--environment", type=Path, required=True, help="holds perf_analyzer")
    parser.add_argument("--model-repository", type=Path, default=Path("model_repository"))
    parser.add_argument("--concurrency", type=int, default=4)
    parser.add_argument("--images", type=int, default=60, help="of a round")
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()

    jpeg = perf_analyzer.drawn_jpeg()
    rounds = []
    repository = arguments.model_repository
    with EmbeddedServer(repository, http_port=0, grpc_port=0, metrics_port=0) as server:
        for number in range(arguments.rounds + 1):
            analyzed = analyze(server.grpc_url, jpeg, arguments)
            annotated = annotate(server.grpc_url, jpeg, arguments)
            print(f"round {number}: {analyzed:.3f} and {annotated:.3f} images/s", flush=True)
            if number > 0:
                rounds.append((analyzed, annotated))
    rows = [
        [str(i), f"{a:.3f}", f"{b:.3f}", f"{100 * b / a:.1f}%"]
        for i, (a, b) in enumerate(rounds, 1)
    ]
    a, b = (statistics.median(side) for side in zip(*rounds, strict=True))
    rows.append(["median", f"{a:.3f}", f"{b:.3f}", f"**{100 * b / a:.1f}%**"])
    write(
        "client_overhead",
        "# Client overhead",
        "Written by `python -m benchmarks.client_overhead`: one 640x480 JPEG of a drawn street "
        f"to `{specs.SSA_ENGINE.name}` of the mini models, {arguments.concurrency} requests in "
        f"flight, by perf_analyzer and by `ssa annotate` on {arguments.images} copies of it, in "
        "turn on one server. A first round, to warm up, is left out.",
        machine(),
        table(COLUMNS, rows),
    )


def analyze(url: str, jpeg: bytes, arguments: argparse.Namespace) -> float:
    """Images a second by perf_analyzer."""
    done = perf_analyzer.run(
        arguments.environment,
        *(specs.SSA_ENGINE.name, url, jpeg, str(arguments.concurrency), arguments.images // 3),
        # It reports on the last three windows, once they are alike.
        *("--stability-percentage", "30", "--max-trials", "6"),
        stdout=subprocess.PIPE,
    )
    found = re.search(r"Throughput: ([0-9.]+) infer/sec", done.stdout)
    if not found:
        raise SystemExit(f"perf_analyzer gave no throughput:\n{done.stdout}")
    return float(found[1])


def annotate(url: str, jpeg: bytes, arguments: argparse.Namespace) -> float:
    """Images a second by a job."""
    with tempfile.TemporaryDirectory() as folder:
        images, out = Path(folder) / "images", Path(folder) / "out"
        images.mkdir()
        for number in range(arguments.images):
            (images / f"{number:04}.jpg").write_bytes(jpeg)
        options = ("--out", str(out), "--url", url, "--concurrency", str(arguments.concurrency))
        started = time.perf_counter()
        subprocess.run([*ANNOTATE, str(images), *options], check=True, stdout=subprocess.DEVNULL)
        images_a_second: float = arguments.images / (time.perf_counter() - started)
        return images_a_second


if __name__ == "__main__":
    main()
