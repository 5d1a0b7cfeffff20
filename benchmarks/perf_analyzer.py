"""Measure the ensemble with NVIDIA's perf_analyzer and a real JPEG: latency, throughput, models.

`make perf` runs it. It starts the embedded server on free ports, unless `--url` names another.
perf_analyzer comes from an environment of its own (`--environment`), which `make perf` makes; on
Debian 12 it also wants the package libb64-0d.
"""

from __future__ import annotations

import argparse
import base64
import io
import json
import os
import struct
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from ssa_backend import specs
from ssa_backend.embedded import EmbeddedServer
from ssa_export.scenes import render_scene

CANNOT_START = 127  # the loader's status when a shared library is missing


def main() -> int:
    """Command line of this module; perf_analyzer's own exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--environment", type=Path, required=True, help="holds perf_analyzer")
    parser.add_argument("--model-repository", type=Path, default=Path("model_repository"))
    parser.add_argument("--url", help="host:port of a running server's gRPC")
    parser.add_argument("--image", type=Path, help="a JPEG; a drawn street if left out")
    parser.add_argument("--concurrency", default="1:2", help="START:END[:STEP]")
    parser.add_argument("--requests", type=int, default=10, help="requests per window")
    arguments = parser.parse_args()
    jpeg = arguments.image.read_bytes() if arguments.image else drawn_jpeg()
    with endpoint(arguments.url, arguments.model_repository) as url:
        return measure(url, jpeg, arguments)


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


def measure(url: str, jpeg: bytes, arguments: argparse.Namespace) -> int:
    """Run perf_analyzer against `url`, its report on standard output."""
    print(f"A JPEG of {len(jpeg)} bytes to {specs.SSA.name!r} at {url}", flush=True)
    # A window takes half a minute on a CPU: be content with fewer of them.
    content = ("--stability-percentage", "20", "--max-trials", "5")
    status = run(
        arguments.environment,
        *(specs.SSA.name, url, jpeg, arguments.concurrency, arguments.requests, *content),
    ).returncode
    if status == CANNOT_START:
        print("perf_analyzer did not start; on Debian it needs: apt-get install libb64-0d")
    return status


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
    site = next((environment / "lib").glob("python3*/site-packages"))
    libraries = site / "nvidia" / "cuda_runtime" / "lib"
    with tempfile.NamedTemporaryFile("w", suffix=".json") as data:
        data.write(input_data(jpeg))
        data.flush()
        command = [
            *(str(environment / "bin" / "perf_analyzer"), "-m", model, "-i", "grpc", "-u", url),
            *("--input-data", data.name, "--concurrency-range", concurrency),
            *("--measurement-mode", "count_windows"),
            *("--measurement-request-count", str(requests), "--percentile", "95", *options),
        ]
        variables = os.environ | {"LD_LIBRARY_PATH": str(libraries)}
        return subprocess.run(command, env=variables, check=False, text=True, stdout=stdout)


if __name__ == "__main__":
    sys.exit(main())
