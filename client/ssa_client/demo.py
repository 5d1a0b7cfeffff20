"""What `make demo` runs: draw streets, start the real server, segment and name everything in them.

First with the closed set's names; then, where the repository has it, the same masks with the
open-vocabulary engine's, below `engine/`. The pictures come from the project's own scene renderer
and were not used in training. Needs the extras `server` and `draw`, and a clone of the repository
with its committed mini models.
"""

from __future__ import annotations

import argparse
import time
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TypeAlias

from PIL import Image
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ssa_backend import specs
from ssa_backend.embedded import EmbeddedServer
from ssa_client.client import SsaClient
from ssa_client.label_results import LabelResult
from ssa_client.results import SegmentationResult
from ssa_client.writers import json_path, picture_path, write_annotation, write_picture
from ssa_export.scenes import render_scene, scene_seed

Result: TypeAlias = SegmentationResult | LabelResult

ENGINE = specs.SSA_ENGINE_MASKS.name
ENGINE_TIMEOUT_S = 300.0  # on a laptop's CPU
MODEL_REPOSITORY = Path("model_repository")
SEED = 7
SCENES = 2


def main() -> None:
    """Command line of this module."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder for what it makes")
    out: Path = parser.parse_args().out
    out.mkdir(parents=True, exist_ok=True)

    console = Console()
    pictures = [draw_street(out, k) for k in range(SCENES)]
    console.print(f"Drew {SCENES} streets in [bold]{out}[/].")
    console.print(f"Starting a Triton Inference Server with [bold]{MODEL_REPOSITORY}[/] ...")
    # Port 0 is any free one, so that a server that is running already is not in the way.
    embedded = EmbeddedServer(MODEL_REPOSITORY, http_port=0, grpc_port=0, metrics_port=0)
    with embedded as server, SsaClient(server.grpc_url) as client:
        console.print(f"Ready at {server.grpc_url}.")
        found = [
            present(picture, client.segment, out, image_id, console)
            for image_id, picture in enumerate(pictures, start=1)
        ]
        with_engine = client.is_ready(ENGINE)
        if with_engine:
            console.print("The same masks through the open-vocabulary engine:")
            for image_id, picture in enumerate(pictures, start=1):
                masks = [mask.segmentation for mask in found[image_id - 1].masks]
                label = partial(client.label, masks=masks, timeout_s=ENGINE_TIMEOUT_S)
                present(picture, label, out / "engine", image_id, console)
    console.print(
        f"Look at [bold]{out}/*_semantic.png[/]; the masks are in [bold]{out}/*_semantic.json[/]."
    )
    if with_engine:
        console.print(f"The engine's are in [bold]{out}/engine[/].")


def present(
    picture: Path, ask: Callable[[Path], Result], out: Path, image_id: int, console: Console
) -> Result:
    """Have a picture looked at by `ask`, write what is in it, print a table of it and return it."""
    start = time.perf_counter()
    result = ask(picture)
    elapsed_s = time.perf_counter() - start
    write_annotation(json_path(out, picture.stem), result.to_annotation(picture.name, image_id))
    write_picture(picture_path(out, picture.stem), result.draw(picture))
    console.print(summary(picture, result, elapsed_s))
    if isinstance(result, LabelResult) and result.masks:
        largest = result.masks[0]
        console.print(
            f"Its largest mask is [bold]{escape(largest.class_name)}[/], "
            f"chosen among {escape(', '.join(largest.class_proposals))}; "
            f'its caption is "{escape(largest.caption)}".'
        )
    return result


def draw_street(out: Path, k: int) -> Path:
    """Draw scene `k` into the folder `out` and return its path."""
    path = out / f"street{k + 1}.jpg"
    Image.fromarray(render_scene(scene_seed(SEED, k)).image).save(path, quality=95)
    return path


def summary(picture: Path, result: Result, elapsed_s: float) -> Table:
    """A table of how many masks of each class were found and how much of the image they cover."""
    title = f"{picture.name}: {len(result.masks)} masks in {elapsed_s:.1f} s"
    table = Table("class", "masks", "largest, % of image", title=title, title_justify="left")
    counts = Counter(mask.class_name for mask in result.masks)
    height, width = result.size_hw
    for name, count in counts.most_common():
        largest = max(mask.area for mask in result.masks if mask.class_name == name)
        table.add_row(escape(name), str(count), f"{100 * largest / (height * width):.1f}")
    return table


if __name__ == "__main__":
    main()
