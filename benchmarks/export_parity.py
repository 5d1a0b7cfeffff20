"""Export checkpoints of the published sizes, with random weights, and compare them.

    python -m benchmarks.export_parity [NAME ...]

Each checkpoint is built, exported and compared in a process of its own, so that memory is given
back; its rows in results/export_parity.md are replaced. What is compared: the ONNX file in ONNX
Runtime with the checkpoint in PyTorch, on fresh random inputs at several batch sizes and prompt
counts; and, for Meta's `.pth`, also with segment_anything itself.
"""

from __future__ import annotations

import platform
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
import torch
import transformers
from transformers import (
    AutoModelForSemanticSegmentation,
    SamConfig,
    SamImageProcessorPil,
    SamModel,
    SegformerConfig,
    SegformerImageProcessorPil,
)

from benchmarks.engine_checkpoints import ENGINE_CHECKPOINTS, EngineCheckpoint
from ssa_backend.settings import RepositorySettings, SamSettings
from ssa_export.networks import Network
from ssa_export.onnx_export import export_onnx
from ssa_export.parity import check_parity
from ssa_export.parts import PARTS, LoadedParts
from tests.reference import torchvision_functions

RESULTS = Path(__file__).parent / "results" / "export_parity.md"
COLUMNS = (
    "checkpoint",
    "network",
    "compared at",
    "max abs",
    "max rel",
    "vs segment_anything",
    "ONNX MB",
    "layout",
    "export s",
    "compare s",
    "peak GB",
)
GIB = 2**30

# From a checkpoint's name and a folder to work in to its rows of the table.
Measure = Callable[[str, Path], Iterator[str]]


@dataclass(frozen=True)
class Vit:
    """SAM's image encoder in one of its published sizes."""

    hidden_size: int
    layers: int
    heads: int
    global_attention: tuple[int, ...]


VITS = {
    "b": Vit(768, 12, 12, (2, 5, 8, 11)),
    "l": Vit(1024, 24, 16, (5, 11, 17, 23)),
    "h": Vit(1280, 32, 16, (7, 15, 23, 31)),
}

# Hidden sizes and depths of Segformer's encoders, and the width of their decoders.
MIT = {
    "b0": ((32, 64, 160, 256), (2, 2, 2, 2), 256),
    "b2": ((64, 128, 320, 512), (3, 4, 6, 3), 768),
    "b5": ((64, 128, 320, 512), (3, 6, 40, 3), 768),
}
SEGFORMERS = {
    "ade20k": (150, {"b0": 512, "b2": 512, "b5": 640}),
    "cityscapes": (19, {"b0": 1024, "b2": 1024, "b5": 1024}),
}


def randomise(model: Any) -> Any:
    """Weights at the scale of trained ones: SAM's encoder alone starts at 1e-10, so at nothing."""
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.ndim > 1:
                parameter.normal_(0, 0.02)
            elif name.endswith("bias"):
                parameter.normal_(0, 0.01)
    return model.eval()


def build_sam_folder(size: str, folder: Path) -> Path:
    """SAM as transformers saves it."""
    vit = VITS[size]
    config = SamConfig(
        vision_config={
            "hidden_size": vit.hidden_size,
            "num_hidden_layers": vit.layers,
            "num_attention_heads": vit.heads,
            "global_attn_indexes": list(vit.global_attention),
        }
    )
    randomise(SamModel(config)).save_pretrained(folder)
    SamImageProcessorPil().save_pretrained(folder)
    return folder


def build_meta_sam(size: str, folder: Path) -> tuple[Path, dict[str, Any]]:
    """SAM as Meta publishes it, and what segment_anything computes with it for one image."""
    torchvision_functions.install()
    from segment_anything import sam_model_registry

    sam = randomise(sam_model_registry[f"vit_{size}"]())
    path = folder / f"sam_vit_{size}.pth"
    torch.save(sam.state_dict(), path)
    pixels = torch.randn(1, 3, 1024, 1024)
    coords, labels = torch.rand(8, 1, 2) * 1024, torch.ones(8, 1, dtype=torch.int64)
    with torch.inference_mode():
        embeddings = sam.image_encoder(pixels)
        sparse, dense = sam.prompt_encoder((coords, labels), None, None)
        masks, ious = sam.mask_decoder(
            embeddings, sam.prompt_encoder.get_dense_pe(), sparse, dense, multimask_output=True
        )
    tensors = {
        "pixel_values": pixels,
        "point_coords": coords,
        "point_labels": labels,
        "min_iou": torch.tensor([-torch.inf]),
        "image_embeddings": embeddings,
        "low_res_masks": masks.flatten(0, 1),
        "iou_predictions": ious,
    }
    return path, {name: tensor.numpy() for name, tensor in tensors.items()}


def build_segformer(dataset: str, size: str, folder: Path) -> Path:
    """Segformer as transformers saves it."""
    hidden_sizes, depths, decoder_size = MIT[size]
    classes, sides = SEGFORMERS[dataset]
    config = SegformerConfig(
        hidden_sizes=list(hidden_sizes),
        depths=list(depths),
        decoder_hidden_size=decoder_size,
        id2label={i: f"class {i}" for i in range(classes)},
    )
    randomise(AutoModelForSemanticSegmentation.from_config(config)).save_pretrained(folder)
    side = sides[size]
    processor = SegformerImageProcessorPil(size={"height": side, "width": side})
    processor.save_pretrained(folder)
    return folder


def part_networks(part: str, source: Path) -> Iterator[Network]:
    """The networks that a checkpoint becomes in a repository."""
    loaded = LoadedParts({part: PARTS[part].load(str(source))})
    settings = RepositorySettings("", SamSettings())
    axes = replace(settings, **{part: loaded.by_name[part].settings}).axes
    return loaded.networks(axes)


def measure(name: str, network: Network, folder: Path, original: dict[str, Any] | None) -> str:
    """Export and compare one network: its row of the table."""
    version = folder / network.spec.name
    version.mkdir()
    started = time.perf_counter()
    path = export_onnx(network, version)
    exported = time.perf_counter()
    differences = check_parity(network, path)
    compared = time.perf_counter()
    cases = "; ".join(
        " x ".join(f"{axis} {length}" for axis, length in lengths.items())
        for lengths in network.cases
    )
    size = sum(file.stat().st_size for file in version.rglob("*") if file.is_file())
    cells = (
        name,
        network.spec.name,
        cases,
        f"{max(d.absolute for d in differences):.1e}",
        f"{max(d.relative for d in differences):.1e}",
        f"{difference_from(network, path, original):.1e}" if original else "",
        f"{size / 1e6:.1f}",
        "external" if path.parent != version else "one file",
        f"{exported - started:.1f}",
        f"{compared - exported:.1f}",
        f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / GIB:.1f}",
    )
    return row(cells)


def difference_from(network: Network, path: Path, original: dict[str, Any]) -> float:
    """The largest relative difference from what segment_anything computed."""
    session = ort.InferenceSession(path)
    outputs = [tensor.name for tensor in network.spec.outputs]
    inputs = {tensor.name: original[tensor.name] for tensor in network.spec.inputs}
    return max(
        float(np.abs(got - original[name]).max() / np.abs(original[name]).max())
        for name, got in zip(outputs, session.run(outputs, inputs), strict=True)
    )


def measure_sam(size: str, name: str, folder: Path) -> Iterator[str]:
    """A SAM in transformers' form."""
    for network in part_networks("sam", build_sam_folder(size, folder)):
        yield measure(name, network, folder, None)


def measure_meta_sam(size: str, name: str, folder: Path) -> Iterator[str]:
    """A SAM in Meta's form."""
    path, original = build_meta_sam(size, folder)
    for network in part_networks("sam", path):
        yield measure(name, network, folder, original)


def measure_segformer(dataset: str, size: str, name: str, folder: Path) -> Iterator[str]:
    """A Segformer."""
    for network in part_networks("segmenter", build_segformer(dataset, size, folder)):
        yield measure(name, network, folder, None)


def measure_engine(checkpoint: EngineCheckpoint, name: str, folder: Path) -> Iterator[str]:
    """A checkpoint of one of the engine's parts."""
    source = checkpoint.save(folder / "checkpoint", randomise)
    for network in part_networks(checkpoint.part, source):
        yield measure(name, network, folder, None)


def checkpoints() -> dict[str, Measure]:
    """Every checkpoint by name, and what measures it."""
    found: dict[str, Measure] = {}
    for dataset, (_, sides) in SEGFORMERS.items():
        for size in sides:
            found[f"segformer-{size}-{dataset}"] = partial(measure_segformer, dataset, size)
    for size in VITS:
        found[f"sam-vit-{size}"] = partial(measure_sam, size)
        found[f"sam_vit_{size}.pth"] = partial(measure_meta_sam, size)
    for name, checkpoint in ENGINE_CHECKPOINTS.items():
        found[name] = partial(measure_engine, checkpoint)
    return found


def row(cells: tuple[str, ...]) -> str:
    """A line of a Markdown table."""
    return f"| {' | '.join(cells)} |"


def write(rows: list[str], replaced: str) -> None:
    """Put `rows` into the results, in place of those of the checkpoint `replaced`."""
    lines = RESULTS.read_text(encoding="utf-8").splitlines() if RESULTS.exists() else []
    order = list(checkpoints())
    kept = [
        line
        for line in lines
        if line.startswith("| ") and line.split(" ")[1] in order and f"| {replaced} |" not in line
    ]
    table = sorted([*kept, *rows], key=lambda line: order.index(line.split(" ")[1]))
    head = (
        "# Exported models against their sources",
        "",
        "Random weights in the published sizes; written by `python -m benchmarks.export_parity`.",
        f"{platform.machine()}, {torch.get_num_threads()} threads shared with other work, "
        f"torch {torch.__version__}, transformers {transformers.__version__}, "
        f"ONNX Runtime {ort.__version__}.",
        "",
        "`max rel` is the largest absolute difference over the largest absolute value of the "
        "source's output, the worst of all cases; export fails above 1e-3. Weights beyond 2 GB "
        "are external: `1/model.onnx/model.onnx` with `model.onnx.data`. `peak GB` is the whole "
        "process's, building the checkpoint included.",
        "",
        row(COLUMNS),
        row(("---",) * len(COLUMNS)),
    )
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    RESULTS.write_text("\n".join([*head, *table]) + "\n", encoding="utf-8")


def main(names: list[str]) -> None:
    """Measure the checkpoints called `names`, or all."""
    if names and names[0] == "--one":
        with tempfile.TemporaryDirectory() as folder:
            rows = list(checkpoints()[names[1]](names[1], Path(folder)))
        write(rows, names[1])
        return
    for name in names or checkpoints():
        subprocess.run([sys.executable, "-m", __spec__.name, "--one", name], check=True)
        print(name, "done", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
