"""Folders of results as `ssa segment` and `ssa annotate` leave them, with the masks they hold."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from ssa_client import LabelledMask, LabelResult, Mask, SegmentationResult, write_annotation
from ssa_client.conversions import encode_mask
from ssa_client.writers import json_path
from tests.unit.client.command import Outcome

Bools = npt.NDArray[np.bool_]
# Gaps between ids, and names that XML, YAML and JSON must escape.
LABELS = ("road", "sidewalk", "straße", 'a "b" & <c>', "it's: a #tree")
CLASS_IDS = (0, 2, 3, 4)
# As many bytes wide as high would hide axes that were swapped.
SIZES_HW = {"a b": (48, 70), "one": (31, 90), "straße": (64, 40)}


@dataclass
class Results:
    """A folder, the images it is of, and what each of its files says, largest mask first."""

    folder: Path
    images: Path
    masks: dict[str, list[Bools]] = field(default_factory=dict)  # by file name
    class_names: dict[str, list[str]] = field(default_factory=dict)
    confidences: dict[str, list[float]] = field(default_factory=dict)

    @property
    def count(self) -> int:
        """Masks of all images."""
        return sum(map(len, self.masks.values()))

    def named(self) -> Iterator[tuple[str, list[Bools], list[str]]]:
        """File name, masks and class names of each image, by file name."""
        for file_name in sorted(self.masks):
            yield file_name, self.masks[file_name], self.class_names[file_name]


def scene(size_hw: tuple[int, int], seed: int) -> list[Bools]:
    """Masks that overlap, with holes, in parts, at the border, and of one pixel; largest first."""
    random = np.random.default_rng(seed)
    height, width = size_hw
    rows, columns = np.mgrid[:height, :width]

    def disc(x: float, y: float, radius: float) -> Bools:
        return np.asarray((rows - y) ** 2 + (columns - x) ** 2 <= radius**2)

    ring = disc(width / 2, height / 2, 14) & ~disc(width / 2, height / 2, 8)
    parts = disc(6, 6, 4) | disc(width - 7, height - 7, 5) | disc(width / 2, height / 2, 3)
    sieve = disc(width / 2, height / 2, 13) & (random.random(size_hw) < 0.9)
    masks = [rows >= height // 2, ring, parts, sieve, (rows == 2) & (columns == 3)]
    masks += [(rows == height - 1) & (columns > 5), np.ones(size_hw, np.bool_)]
    centers = random.uniform(0, min(size_hw), (3, 2)).tolist()
    masks += [disc(x, y, radius) for (x, y), radius in zip(centers, (2.5, 5, 9), strict=True)]
    return sorted(masks, key=lambda mask: -int(mask.sum()))


def closed_set_results(folder: Path) -> Results:
    """What `ssa segment` writes; one of the images has no masks."""
    results = _folders(folder)
    for seed, file_name in enumerate(_write_images(results)):
        size_hw, masks = _masks_of(file_name, seed)
        results.masks[file_name] = masks
        ids = [CLASS_IDS[i % len(CLASS_IDS)] for i in range(len(masks))]
        results.class_names[file_name] = [LABELS[id_] for id_ in ids]
        results.confidences[file_name] = [(i % 5) / 4 for i in range(len(masks))]
        result = SegmentationResult(
            size_hw,
            tuple(
                Mask(
                    *(encode_mask(mask), (0, 0, 1, 1), int(mask.sum()), 0.9, 0.95),
                    *((1.0, 2.0), (0, 0, *size_hw[::-1]), id_, LABELS[id_], (LABELS[id_],)),
                    vote_share=(i % 5) / 4,
                )
                for i, (mask, id_) in enumerate(zip(masks, ids, strict=True))
            ),
            LABELS,
            np.full(size_hw, 1, np.uint16),
        )
        _write(results, file_name, result)
    return results


def engine_results(folder: Path) -> Results:
    """What `ssa annotate` writes, of given masks that had classes and whose order was not theirs.

    One of the masks has no pixel.
    """
    results = _folders(folder)
    for seed, file_name in enumerate(_write_images(results)):
        size_hw, masks = _masks_of(file_name, seed)
        names = [("zebra", "a car", LABELS[3])[(i + seed) % 3] for i in range(len(masks))]
        results.masks[file_name], results.class_names[file_name] = masks, names
        results.confidences[file_name] = [0.5] * len(masks)
        labelled = [
            _labelled(mask, name, number)
            for number, (mask, name) in enumerate(zip(masks, names, strict=True), start=50)
        ]
        empty = _labelled(np.zeros(size_hw, np.bool_), "nothing", 99)
        _write(results, file_name, LabelResult(size_hw, (empty, *labelled[::-1])))
    return results


def _labelled(mask: Bools, name: str, given_id: int) -> LabelledMask:
    return LabelledMask(
        segmentation=encode_mask(mask),
        bbox_xywh=(0, 0, 1, 1),
        area=int(mask.sum()),
        class_name=name,
        class_proposals=(name, "thing"),
        clip_scores=(0.5, 0.25),
        clipseg_shares=(0.75, 0.25),
        caption="a caption",
        coco_name="car",
        coco_share=0.5,
        ade20k_name="van",
        ade20k_share=0.5,
        source={"id": given_id, "class_id": 7},
    )


def _folders(folder: Path) -> Results:
    results = Results(folder / "results", folder / "images")
    results.folder.mkdir(parents=True)
    results.images.mkdir()
    return results


def _write_images(results: Results) -> list[str]:
    names = []
    for stem, (height, width) in SIZES_HW.items():
        pixels = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
        names.append(f"{stem}.png")
        Image.fromarray(pixels).save(results.images / names[-1])
    return names


def _masks_of(file_name: str, seed: int) -> tuple[tuple[int, int], list[Bools]]:
    stem = Path(file_name).stem
    size_hw = SIZES_HW[stem]
    return size_hw, [] if stem == "one" else scene(size_hw, seed)


def _write(results: Results, file_name: str, result: SegmentationResult | LabelResult) -> None:
    path = json_path(results.folder, Path(file_name).stem)
    write_annotation(path, result.to_annotation(file_name))


def converted(results: Results, to: str, *options: object) -> Path:
    """The folder that `ssa convert` makes of all of them."""
    out = results.folder.parent / to
    done = Outcome("convert", results.folder, "--to", to, "--out", out, *options)
    assert done.exit_code == 0, done.output
    assert f"{len(results.masks)} converted, {results.count} masks" in done.output
    return out


def document(results: Results, stem: str) -> dict[str, Any]:
    """The content of one of the folder's files."""
    content: dict[str, Any] = json.loads(json_path(results.folder, stem).read_bytes())
    return content


def read_with_tool(module: str, script: str, *arguments: object) -> Any:
    """What `script` prints as JSON where the format's own tool, `module`, is installed.

    That is the environment .venv-formats, which `make test-full` sets up, or the Python that
    SSA_FORMAT_TOOLS names; without it the test is skipped.
    """
    python = os.environ.get("SSA_FORMAT_TOOLS") or str(
        Path(__file__).parents[3] / ".venv-formats" / "bin" / "python"
    )
    with contextlib.suppress(OSError):
        if subprocess.run([python, "-c", f"import {module}"], capture_output=True).returncode == 0:
            done = subprocess.run(
                [python, "-c", script, *map(str, arguments)], capture_output=True, text=True
            )
            assert done.returncode == 0, done.stderr
            return json.loads(done.stdout.splitlines()[-1])
    pytest.skip(f"{module} is not installed in .venv-formats; `make test-full` does that.")
