"""Time and memory of `ssa report` on jobs of more and more images.

    python -m benchmarks.report_cost --images 200 2000 20000

Writes `benchmarks/results/report_cost.md`. The jobs are drawn at random in a temporary folder; each
number is that of a process of its own.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

from ssa_client import LabelledMask, LabelResult
from ssa_client.conversions import encode_mask
from ssa_client.writers import json_path

RESULTS = Path(__file__).parent / "results" / "report_cost.md"
MASKS = 20
SIZE_HW = (480, 640)
NAMES = [f"class {number}" for number in range(60)]


def main() -> None:
    """Command line of this module."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, nargs="+", default=[200, 2000, 20000])
    rows = [measure(count) for count in parser.parse_args().images]
    RESULTS.write_text(_HEAD.format(cores=os.cpu_count()) + "\n".join(rows) + "\n", "utf-8")
    print(RESULTS.read_text("utf-8"))


def measure(count: int) -> str:
    """A row of the table: a job of `count` images."""
    with tempfile.TemporaryDirectory() as folder:
        job, images = Path(folder) / "job", Path(folder) / "images"
        job.mkdir()
        images.mkdir()
        write_job(job, images, count)
        megabytes = sum(file.stat().st_size for file in job.iterdir()) / 1e6
        start = time.perf_counter()
        peak_mb, cpu_s = run_report(job, images)
        elapsed_s = time.perf_counter() - start
        page_mb = (job / "_report.html").stat().st_size / 1e6
    cells = (
        *(f"{count:,}", f"{count * MASKS:,}", f"{megabytes:,.0f} MB", f"{elapsed_s:.1f} s"),
        *(f"{cpu_s:.1f} s", f"{peak_mb:.0f} MB", f"{page_mb:.1f} MB"),
    )
    return f"| {' | '.join(cells)} |"


def run_report(job: Path, images: Path) -> tuple[float, float]:
    """Run the command; returns its peak memory in MB and its CPU time in seconds."""
    script = "from ssa_client.cli import app; app()"
    command = [sys.executable, "-c", script, "report", str(job), "--images", str(images)]
    child = os.posix_spawn(sys.executable, command, os.environ)
    _, status, usage = os.wait4(child, 0)
    if status:
        raise SystemExit(f"ssa report ended with {os.waitstatus_to_exitcode(status)}.")
    return usage.ru_maxrss * 1024 / 1e6, usage.ru_utime + usage.ru_stime


def write_job(job: Path, images: Path, count: int) -> None:
    """`count` results of the engine, whose images are one and the same."""
    random = np.random.default_rng(0)
    photo = images / "photo.jpg"
    pixels = random.integers(0, 256, (*(side // 8 for side in SIZE_HW), 3), dtype=np.uint8)
    Image.fromarray(pixels).resize(SIZE_HW[::-1]).save(photo)
    masks = [_mask(random) for _ in range(MASKS)]
    masks.sort(key=lambda mask: -mask.area)
    document = LabelResult(SIZE_HW, tuple(masks)).to_annotation(photo.name)
    for number in range(count):
        name = f"{number:07}"
        os.link(photo, images / f"{name}.jpg")
        document["image"]["file_name"] = f"{name}.jpg"
        for annotation, value in zip(document["annotations"], random.random(MASKS), strict=True):
            annotation["confidence"] = float(value)
            annotation["class_name"] = NAMES[int(value * 1e6) % len(NAMES)]
        json_path(job, name).write_text(json.dumps(document, separators=(",", ":")))


def _mask(random: np.random.Generator) -> LabelledMask:
    height, width = SIZE_HW
    rows, columns = np.ogrid[:height, :width]
    x, y = random.uniform(0, width), random.uniform(0, height)
    disc = (columns - x) ** 2 + (rows - y) ** 2 <= random.uniform(8, 120) ** 2
    return LabelledMask(
        segmentation=encode_mask(disc),
        bbox_xywh=(0, 0, 1, 1),
        area=int(disc.sum()),
        class_name="class",
        class_proposals=("class", "thing"),
        clip_scores=(0.5, 0.25),
        clipseg_shares=(0.75, 0.25),
        caption="a caption of what is around the mask",
        coco_name="car",
        coco_share=0.5,
        ade20k_name="van",
        ade20k_share=0.5,
    )


_HEAD = """\
# What a report costs

`python -m benchmarks.report_cost`: `ssa report` with 100 doubtful masks and 12 pictures, on jobs of
random discs, 20 masks an image; {cores} CPU cores, shared with other work. The peak is the
process's resident memory, Python and its libraries included.

| images | masks | JSON | time | CPU | peak memory | page |
|---|---|---|---|---|---|---|
"""

if __name__ == "__main__":
    main()
