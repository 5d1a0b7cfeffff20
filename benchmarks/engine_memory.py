"""Peak memory of every process of the server while it labels few and many given masks.

    python -m benchmarks.engine_memory [--masks 20 100 400]

Each count has a server of its own, so that no peak hides another. A peak is the kernel's high-water
mark of resident memory (VmHWM), shared memory included. All label equally many masks in the end,
in many requests or few: what two batches hold at once differs by chance.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from rich.progress import track

from benchmarks.memory import peak_mb
from ssa_backend.embedded import EmbeddedServer
from ssa_client import SsaClient
from tests.reference.engine_scenes import given_scene, many_masks

RESULTS = Path(__file__).parent / "results" / "engine_memory.md"
TIMEOUT_S = 1200.0
SEED = 80


def main() -> None:
    """Command line of this module."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model-repository", type=Path, default=Path("model_repository"))
    parser.add_argument("--masks", type=int, nargs="+", default=[20, 100, 400])
    parser.add_argument("--requests", type=int, default=3, help="of the most masks")
    arguments = parser.parse_args()

    total = max(arguments.masks) * arguments.requests
    peaks = [
        measure(arguments.model_repository, count, total // count)
        for count in track(arguments.masks, "Servers")
    ]
    write(arguments.masks, total, peaks)


def measure(repository: Path, masks: int, requests: int) -> dict[str, float]:
    """The peak of each process in MB, by model instance, after `requests` of `masks` masks."""
    embedded = EmbeddedServer(repository, http_port=0, grpc_port=0, metrics_port=0)
    with embedded as server, SsaClient(server.grpc_url, timeout_s=TIMEOUT_S) as client:
        for k in range(requests):
            client.label(given_scene(SEED, k, 100).image, masks=many_masks(SEED, k, masks))
        assert server.process
        processes = {server.process.pid: "tritonserver", **server.process.stubs()}
        return {name: peak_mb(pid) for pid, name in processes.items()}


def write(masks: list[int], total: int, peaks: list[dict[str, float]]) -> None:
    """Print the results and write them to their file."""
    columns = ["process", *(f"{count} masks" for count in masks), "growth"]
    rows = [columns, ["---"] * len(columns)]
    for name in sorted(peaks[0]):
        of_process = [peak[name] for peak in peaks]
        growth = 100 * (of_process[-1] / of_process[0] - 1)
        rows.append([name, *(f"{peak:.0f}" for peak in of_process), f"{growth:+.1f}%"])
    head = (
        "# Peak memory of the server's processes",
        "",
        "Mini models, 480x640; written by `python -m benchmarks.engine_memory`. MB of resident "
        f"memory at most (VmHWM, shared memory included) while `ssa_engine_masks` labels {total} "
        "masks, so many in a request; a fresh server for each column.",
        "",
    )
    text = "\n".join([*head, *(f"| {' | '.join(row)} |" for row in rows)]) + "\n"
    RESULTS.write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
