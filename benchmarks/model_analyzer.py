"""NVIDIA's model_analyzer on the closed set's networks: how many instances of each pay.

    python -m benchmarks.model_analyzer --environment .venv-perf    # `make model-analyzer`

model_analyzer starts Triton itself, once for each network, and loads the network with every
configuration that it tries. Here Triton is the embedded one, behind a script that starts it; where
NVIDIA's container runs, its own `tritonserver` takes the script's place.
"""

from __future__ import annotations

import argparse
import base64
import csv
import json
import shlex
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.perf_analyzer import environment_variables
from benchmarks.tables import machine, table, write
from ssa_backend import specs
from ssa_backend.embedded.install import Installation, install
from ssa_backend.embedded.onnx_runner import model_file
from ssa_backend.images import sam_pixel_values, segmenter_pixel_values
from ssa_backend.settings import RepositorySettings
from ssa_export.mask_gate import SamRunners, grid_prompts
from ssa_export.model_config import VERSION
from ssa_export.onnx_runners import onnx_runner
from ssa_export.scenes import render_scene

SAM = (specs.SAM_IMAGE_ENCODER, specs.SAM_MASK_DECODER)
INSTANCES = (1, 2)
CONCURRENCY = (1, 2, 4)
COLUMNS = ("network", "instances", "requests at a time", "calls/s", "p99, ms")
# What Triton needs of the environment that a server of ours has.
_VARIABLES = ("LD_LIBRARY_PATH", "PATH", "OPENBLAS_NUM_THREADS")

Array = npt.NDArray[Any]


def main() -> None:
    """Command line of this module."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--environment", type=Path, required=True, help="holds model-analyzer")
    parser.add_argument("--model-repository", type=Path, default=Path("model_repository"))
    parser.add_argument("--requests", type=int, default=20, help="requests per window")
    arguments = parser.parse_args()
    repository = arguments.model_repository.resolve()
    rows: list[tuple[Any, ...]] = []
    for network, inputs in examples(repository).items():
        with tempfile.TemporaryDirectory() as folder:
            work = Path(folder)
            wanted = settings(network, inputs, repository, work, arguments.requests)
            analyze(arguments.environment.resolve(), wanted, work)
            rows += measured(work)
    write(
        "model_analyzer",
        "# model_analyzer on the closed set's networks",
        "Written by `make model-analyzer`: each network alone on the embedded server, the mask "
        f"decoder with 64 prompts a call, windows of {arguments.requests} calls. The instances of "
        "a network share the cores.",
        machine(),
        table(COLUMNS, rows),
    )


def examples(repository: Path) -> dict[specs.Model, dict[str, Array]]:
    """What each network gets of one street and a grid of prompts."""
    chosen = RepositorySettings.load(repository)
    assert chosen.segmenter is not None
    rgb = render_scene(7).image
    sam = SamRunners(*(onnx_runner(model_file(repository / its.name / VERSION)) for its in SAM))
    pixels = sam_pixel_values(rgb, chosen.sam)
    prompts = sam.decoder_inputs(pixels, *grid_prompts(chosen.sam.image_size))
    threshold = np.array([chosen.masks.pred_iou_thresh], np.float32)
    segmenter = specs.SEMANTIC_SEGMENTER
    return {
        SAM[0]: {SAM[0].inputs[0].name: pixels},
        SAM[1]: {**prompts, SAM[1].inputs[3].name: threshold},
        segmenter: {segmenter.inputs[0].name: segmenter_pixel_values(rgb, chosen.segmenter)},
    }


def settings(
    network: specs.Model,
    inputs: Mapping[str, Array],
    repository: Path,
    work: Path,
    requests: int,
) -> dict[str, Any]:
    """model_analyzer's own, in which it writes nowhere but to `work`."""
    folders = {name: work / name for name in ("backends", "results", "checkpoints")}
    for folder in folders.values():
        folder.mkdir()
    server, data = work / "tritonserver", work / "inputs.json"
    server.write_text(starting(install(folders["backends"])), encoding="utf-8")
    server.chmod(0o755)
    data.write_text(input_data(network, inputs), encoding="utf-8")
    groups = [[{"kind": "KIND_CPU", "count": count}] for count in INSTANCES]
    return {
        "model_repository": str(repository),
        "output_model_repository_path": str(work / "configurations"),
        "checkpoint_directory": str(folders["checkpoints"]),
        "export_path": str(folders["results"]),
        "triton_launch_mode": "local",
        "triton_server_path": str(server),
        "client_protocol": "grpc",
        "run_config_search_mode": "brute",
        "batch_sizes": [1],
        "concurrency": list(CONCURRENCY),
        "profile_models": {
            network.name: {
                "model_config_parameters": {"instance_group": groups},
                "perf_analyzer_flags": {
                    "input-data": str(data),
                    "measurement-request-count": requests,
                    "stability-percentage": 50,
                    "max-trials": 6,
                },
            }
        },
    }


def starting(installed: Installation) -> str:
    """A shell script that becomes the embedded Triton, with the arguments that it gets."""
    exports = [f"export {name}={shlex.quote(installed.environment[name])}" for name in _VARIABLES]
    program = shlex.join([str(installed.binary), f"--backend-directory={installed.backends}"])
    return "\n".join(["#!/bin/sh", *exports, f'exec {program} "$@"', ""])


def input_data(network: specs.Model, inputs: Mapping[str, Array]) -> str:
    """perf_analyzer's JSON; it adds the batch's axis itself."""
    content = {
        name: {
            "content": {"b64": base64.b64encode(np.ascontiguousarray(array).tobytes()).decode()},
            "shape": list(array.shape[1:] if network.max_batch_size else array.shape),
        }
        for name, array in inputs.items()
    }
    return json.dumps({"data": [content]})


def analyze(environment: Path, chosen: Mapping[str, Any], work: Path) -> None:
    """Run the model-analyzer of `environment`."""
    path = work / "settings.yaml"
    path.write_text(json.dumps(chosen), encoding="utf-8")  # which is YAML too
    subprocess.run(
        [environment / "bin" / "model-analyzer", "profile", "--config-file", path],
        env=environment_variables(environment),
        check=True,
    )


def measured(work: Path) -> Iterator[tuple[Any, ...]]:
    """For `COLUMNS`, in the order of its configurations."""
    (report,) = (work / "results").rglob("metrics-model-inference.csv")
    with report.open(encoding="utf-8", newline="") as lines:
        found = list(csv.DictReader(lines))
    rows = [
        (
            its["Model"],
            int(its["Instance Group"].split(":")[0]),
            int(its["Concurrency"]),
            its["Throughput (infer/sec)"],
            its["p99 Latency (ms)"],
        )
        for its in found
    ]
    # Its first configuration is the repository's own, which is one of those asked for.
    yield from sorted({row[:3]: row for row in rows}.values(), key=lambda row: row[:3])


if __name__ == "__main__":
    main()
