"""Measure the ensemble with NVIDIA's perf_analyzer and a real JPEG: latency, throughput, models.

    python -m benchmarks.perf_analyzer --environment .venv-perf    # `make perf`

It starts the embedded server on free ports, unless `--url` names another.
perf_analyzer comes from an environment of its own (`--environment`), which `make perf` makes; on
Debian 12 it also wants the package libb64-0d.
"""

from __future__ import annotations

import argparse
import base64
import io
import json
import os
import re
import struct
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from benchmarks.tables import machine, records, table, write
from ssa_backend import specs
from ssa_backend.embedded import EmbeddedServer
from ssa_export.scenes import render_scene

LEVEL_COLUMNS = {
    "requests at a time": "{}",
    "images/s": "{:.3f}",
    "p50, ms": "{:.0f}",
    "p90, ms": "{:.0f}",
    "p95, ms": "{:.0f}",
    "p99, ms": "{:.0f}",
}
MODEL_COLUMNS = {
    "requests at a time": "{}",
    "model": "{}",
    "a call": "{:.1f}",
    "queue": "{:.1f}",
    "input": "{:.1f}",
    "infer": "{:.1f}",
    "output": "{:.1f}",
}
CANNOT_START = 127  # the loader's status when a shared library is missing


def main() -> int:
    """Command line of this module; perf_analyzer's own exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--environment", type=Path, required=True, help="holds perf_analyzer")
    parser.add_argument("--model-repository", type=Path, default=Path("model_repository"))
    parser.add_argument("--url", help="host:port of a running server's gRPC")
    parser.add_argument("--image", type=Path, help="a JPEG; a drawn street if left out")
    parser.add_argument("--concurrency", type=int, nargs="+", default=[1, 2, 4, 8])
    parser.add_argument("--requests", type=int, default=10, help="requests per window")
    arguments = parser.parse_args()
    if not (arguments.environment / "bin" / "perf_analyzer").exists():
        parser.error(f"no perf_analyzer in {arguments.environment}; `make perf` puts it there")
    jpeg = arguments.image.read_bytes() if arguments.image else drawn_jpeg()
    levels, models = [], []
    with endpoint(arguments.url, arguments.model_repository) as url:
        print(f"A JPEG of {len(jpeg)} bytes to {specs.SSA.name!r} at {url}", flush=True)
        for level in arguments.concurrency:
            done = measure(url, jpeg, level, arguments)
            print(done.stdout, flush=True)
            if done.returncode:
                if done.returncode == CANNOT_START:
                    print("perf_analyzer did not start; Debian needs: apt-get install libb64-0d")
                return done.returncode
            levels.append(level_row(level, done.stdout))
            models += model_rows(level, done.stdout)
    write(
        "perf_analyzer",
        f"# perf_analyzer against `{specs.SSA.name}`",
        "Written by `python -m benchmarks.perf_analyzer`: a JPEG of "
        f"{len(jpeg):,} bytes, windows of {arguments.requests} requests.",
        machine(),
        table(LEVEL_COLUMNS, levels),
        "The models of the ensemble, ms of a call. What `mask_generation` takes is nearly all the "
        "mask decoder, which it calls.",
        table(MODEL_COLUMNS, models),
        headlines=[
            f"perf_analyzer, {row[0]} at a time: {row[1]:.2f} images/s, {row[2]:.0f} ms at the "
            f"median and {row[4]:.0f} ms at the 95th percentile"
            for row in (levels[0], levels[-1])
        ],
        figures={
            "levels": records(LEVEL_COLUMNS, levels),
            "models": records(MODEL_COLUMNS, models),
        },
    )
    return 0


def drawn_jpeg() -> bytes:
    """A street scene, 640x480."""
    return as_jpeg(render_scene(7).image)


def as_jpeg(rgb: npt.NDArray[np.uint8]) -> bytes:
    """[H, W, 3] uint8 as a file."""
    buffer = io.BytesIO()
    Image.fromarray(rgb).save(buffer, "JPEG", quality=95)
    return buffer.getvalue()


@contextmanager
def endpoint(url: str | None, repository: Path) -> Iterator[str]:
    """The gRPC address to measure: `url`, or that of a server started for it."""
    if url:
        yield url
        return
    print(f"Starting the server with {repository} ...", flush=True)
    with EmbeddedServer(repository, http_port=0, grpc_port=0, metrics_port=0) as server:
        yield server.grpc_url


def input_data(image: bytes) -> str:
    """perf_analyzer's JSON for one BYTES element: its length, little-endian, then its bytes."""
    content = base64.b64encode(struct.pack("<I", len(image)) + image).decode()
    return json.dumps({"data": [{specs.IMAGE.name: {"content": {"b64": content}, "shape": [1]}}]})


def measure(
    url: str, jpeg: bytes, level: int, arguments: argparse.Namespace
) -> subprocess.CompletedProcess[str]:
    """Run perf_analyzer against `url`, `level` requests at a time."""
    # A window takes up to a minute on a CPU, and machines that are shared drift meanwhile: three
    # windows in a row are enough that differ by half.
    content = ("--stability-percentage", "50", "--max-trials", "6")
    return run(
        arguments.environment,
        *(specs.SSA.name, url, jpeg, str(level), arguments.requests, *content),
        stdout=subprocess.PIPE,
    )


def level_row(level: int, report: str) -> list[float]:
    """For `LEVEL_COLUMNS`, from what perf_analyzer printed."""
    (throughput,) = re.findall(r"Throughput: ([0-9.]+) infer/sec", report)
    percentiles = re.findall(r"p(?:50|90|95|99) latency: (\d+) usec", report)
    return [level, float(throughput), *(int(found) / 1000 for found in percentiles)]


def model_rows(level: int, report: str) -> list[list[Any]]:
    """For `MODEL_COLUMNS`, the slowest model first."""
    found = re.findall(
        r"(\w+), version: .*?Avg request latency: (\d+) usec \(overhead \d+ usec \+ "
        r"queue (\d+) usec \+ compute input (\d+) usec \+ compute infer (\d+) usec \+ "
        r"compute output (\d+) usec\)",
        report,
        re.DOTALL,
    )
    rows = [[level, model, *(int(part) / 1000 for part in parts)] for model, *parts in found]
    return sorted(rows, key=lambda row: -row[2])


def run(
    environment: Path,
    model: str,
    url: str,
    jpeg: bytes,
    concurrency: str,
    requests: int,
    *options: str,
    stdout: int | None = None,
) -> subprocess.CompletedProcess[str]:
    """Start the perf_analyzer of `environment` and wait for its end.

    Args:
        environment: a virtual environment with tritonclient 2.50.
        model: the ensemble to ask.
        url: host:port of the server's gRPC.
        jpeg: what to send.
        concurrency: START:END[:STEP].
        requests: in one window.
        options: more of perf_analyzer's own.
        stdout: as for `subprocess.run`.
    """
    with tempfile.NamedTemporaryFile("w", suffix=".json") as data:
        data.write(input_data(jpeg))
        data.flush()
        command = [
            *(str(environment / "bin" / "perf_analyzer"), "-m", model, "-i", "grpc", "-u", url),
            *("--input-data", data.name, "--concurrency-range", concurrency),
            *("--measurement-mode", "count_windows"),
            *("--measurement-request-count", str(requests), "--percentile", "95", *options),
        ]
        variables = environment_variables(environment)
        return subprocess.run(command, env=variables, check=False, text=True, stdout=stdout)


def environment_variables(environment: Path) -> dict[str, str]:
    """With which perf_analyzer is found, and finds the library that it wants."""
    site = next((environment / "lib").glob("python3*/site-packages"))
    programs = [str(environment / "bin"), os.environ.get("PATH", os.defpath)]
    libraries = site / "nvidia" / "cuda_runtime" / "lib"
    return os.environ | {"PATH": os.pathsep.join(programs), "LD_LIBRARY_PATH": str(libraries)}


if __name__ == "__main__":
    sys.exit(main())
