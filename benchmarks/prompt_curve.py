"""Time and memory of a closed-set request by the number of its prompts, on a large image.

    python -m benchmarks.prompt_curve [--size 1024x2048]

The last row is segment-anything's usual setting for large images: a 64-point grid and one layer of
crops, 8,192 prompts. Each row has a server of its own, so that no peak hides another.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

from benchmarks.memory import peak_mb
from benchmarks.tables import machine, records, table, write
from ssa_backend.embedded import EmbeddedServer
from ssa_client import SsaClient
from ssa_export.scenes import render_scene, scene_seed

SEED = 75
TIMEOUT_S = 3600.0
# Points a side, and layers of crops.
GRIDS = ((8, 0), (16, 0), (32, 0), (64, 0), (64, 1))
COLUMNS = {
    "points a side": "{}",
    "crop layers": "{}",
    "prompts": "{}",
    "s": "{:.2f}",
    "ms a prompt": "{:.2f}",
    "masks": "{}",
    "peak MB, mask_generation": "{:.0f}",
    "peak MB, both decoders": "{:.0f}",
    "peak MB, everything": "{:.0f}",
}


def main() -> None:
    """Command line of this module."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model-repository", type=Path, default=Path("model_repository"))
    parser.add_argument("--size", default="1024x2048")
    arguments = parser.parse_args()
    height, width = map(int, arguments.size.split("x"))
    rows = [measure(arguments.model_repository, (height, width), *grid) for grid in GRIDS]
    write(
        "prompt_curve",
        "# Time and memory by prompts",
        f"Written by `python -m benchmarks.prompt_curve`: `ssa` of the mini models on a scene of "
        f"{arguments.size}, the second request of a fresh server for each row. Memory is the "
        "high-water mark of resident memory (VmHWM), shared memory included.",
        machine(),
        table(COLUMNS, rows),
        headlines=[
            f"{row[2]} prompts on {arguments.size}: {row[3]:.1f} s, at most {row[-1]:.0f} MB in "
            "all processes of the server"
            for row in (rows[0], rows[-1])
        ],
        figures=records(COLUMNS, rows),
    )


def measure(repository: Path, size_hw: tuple[int, int], side: int, layers: int) -> list[Any]:
    """A row of the table."""
    prompts = side**2 + sum(4**layer * (side // 2**layer) ** 2 for layer in range(1, layers + 1))
    images = [render_scene(scene_seed(SEED, k), size_hw).image for k in range(2)]
    embedded = EmbeddedServer(repository, http_port=0, grpc_port=0, metrics_port=0)
    with embedded as server, SsaClient(server.grpc_url, timeout_s=TIMEOUT_S) as client:
        client.segment(images[0], points_per_side=side, crop_n_layers=layers)
        started = time.perf_counter()
        result = client.segment(images[1], points_per_side=side, crop_n_layers=layers)
        seconds = time.perf_counter() - started
        assert server.process
        peaks = {name: peak_mb(pid) for pid, name in server.process.stubs().items()}
        peaks["tritonserver"] = peak_mb(server.process.pid)
    generation, decoders = (
        sum(peak for name, peak in peaks.items() if name.startswith(model))
        for model in ("mask_generation", "sam_mask_decoder")
    )
    return [
        *(side, layers, prompts, seconds, 1000 * seconds / prompts, len(result.masks)),
        *(generation, decoders, sum(peaks.values())),
    ]


if __name__ == "__main__":
    main()
