"""`ssa annotate`, against a server that answers over real gRPC."""

from __future__ import annotations

import json
import os
import signal
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from grpc import StatusCode
from PIL import Image

from ssa_client.jobs.names import stable_image_id
from tests.unit.client.command import Outcome
from tests.unit.client.conftest import HEIGHT, MASKS, WIDTH, counts_of
from tests.unit.client.fake_triton import FakeTriton

COUNTS = [counts_of(mask) for mask in MASKS]
RLES = [{"size": [HEIGHT, WIDTH], "counts": counts} for counts in COUNTS]
ANNOTATIONS = [{"id": 10 + i, "segmentation": rle} for i, rle in enumerate(RLES)]


pytestmark = pytest.mark.usefixtures("quick_jobs")


def written(out: Path) -> list[str]:
    """The results; what the job notes for itself starts with an underscore."""
    return sorted(path.name for path in out.iterdir() if not path.name.startswith("_"))


def entries(path: Path) -> list[dict[str, Any]]:
    annotations: list[dict[str, Any]] = json.loads(path.read_text("utf-8"))["annotations"]
    return annotations


def test_a_folder_becomes_annotations_and_pictures(
    engine: FakeTriton, photos: Path, out: Path
) -> None:
    done = Outcome(
        *("annotate", photos, "--out", out, "--save-img", "--url", engine.url),
        *("--set", "points_per_side=16"),
    )
    assert done.exit_code == 0, done.output
    assert "6 annotated, 18 masks" in done.output
    assert written(out) == sorted(
        f"{name}_semantic.{kind}" for name in "abcdef" for kind in ("json", "png")
    )
    names = [entry["class_name"] for entry in entries(out / "c_semantic.json")]
    assert names == ["the blue sky", "straße", "car"]
    documents = [json.loads((out / f"{name}_semantic.json").read_text()) for name in "abcdef"]
    for name, document in zip("abcdef", documents, strict=True):
        assert document["image"]["image_id"] == stable_image_id(f"{name}.jpg")
    with Image.open(out / "a_semantic.png") as picture:
        assert picture.width == WIDTH
    for request in engine.requests:
        assert request.model_name == "ssa_engine"
        assert request.parameters["points_per_side"].string_param == "16"


@pytest.mark.parametrize("concurrency", [1, 3])
def test_so_many_requests_are_in_flight_and_no_more(
    engine: FakeTriton, photos: Path, out: Path, concurrency: int
) -> None:
    engine.script = [0.15] * 6
    done = Outcome(
        *("annotate", photos, "--out", out, "--url", engine.url, "--concurrency", concurrency)
    )
    assert done.exit_code == 0, done.output
    assert engine.most_at_once == concurrency


def test_sa1b_s_masks_come_from_both_shapes_of_file(
    engine: FakeTriton, photos: Path, out: Path, jpeg: bytes
) -> None:
    for name in "cdef":
        (photos / f"{name}.jpg").unlink()
    image = {"image_id": 223750, "width": WIDTH, "height": HEIGHT, "file_name": "a.jpg"}
    document = {"image": image, "annotations": ANNOTATIONS}
    (photos / "a.json").write_text(json.dumps(document))
    (photos / "b.json").write_text(json.dumps(ANNOTATIONS))
    done = Outcome(
        *("annotate", photos, "--masks", "sa1b", "--out", out, "--url", engine.url),
        *("--classes", "car, straße,,the blue sky", "--save-img"),
    )
    assert done.exit_code == 0, done.output
    for i in range(2):  # the order is chance
        assert engine.requests[i].model_name == "ssa_engine_masks"
        assert engine.sent("MASKS", i) == [counts.encode() for counts in COUNTS]
        assert engine.sent("CLASSES", i) == [
            name.encode() for name in ("car", "straße", "the blue sky")
        ]
    assert [entry["id"] for entry in entries(out / "b_semantic.json")] == [10, 11, 12]
    image_ids = [
        json.loads((out / f"{name}_semantic.json").read_text())["image"]["image_id"]
        for name in "ab"
    ]
    assert image_ids == [223750, stable_image_id("b.jpg")]


def test_what_is_wrong_with_an_image_or_its_masks_is_told_at_the_end(
    engine: FakeTriton, photos: Path, out: Path
) -> None:
    swapped = {"size": [WIDTH, HEIGHT], "counts": COUNTS[0]}
    for name, document in {
        "a": "{broken",
        "c": json.dumps({"annotations": 3}),
        "d": json.dumps([{"segmentation": swapped}]),
        "e": json.dumps(ANNOTATIONS),
        "f": json.dumps(ANNOTATIONS),
    }.items():
        (photos / f"{name}.json").write_text(document)
    engine.script = [(StatusCode.INVALID_ARGUMENT, "IMAGE is a damaged [jpeg].")]
    done = Outcome(
        *("annotate", photos, "--masks", "sa1b", "--out", out, "--url", engine.url),
        *("--concurrency", 1),
    )
    assert done.exit_code == 1
    # The server refuses whichever of the two good ones comes first: the order is chance.
    refused = "f" if written(out) == ["e_semantic.json"] else "e"
    assert written(out) == [f"{'ef'.replace(refused, '')}_semantic.json"]
    assert "1 annotated, 3 masks" in done.output
    assert "5 failed" in done.output
    for reason in (
        f"{photos / 'a.jpg'} '{photos / 'a.json'}' is no JSON: Expecting property name",
        f"cannot read masks '{photos / 'b.json'}': No such file",
        f"'{photos / 'c.json'}' has no masks; expected an object with 'annotations'",
        "masks are [80, 60] pixels (height, width), the image is [60, 80]",
        f"{photos / refused}.jpg IMAGE is a damaged [jpeg].",
    ):
        assert reason in done.output


def test_a_server_that_goes_away_stops_the_run(engine: FakeTriton, photos: Path, out: Path) -> None:
    engine.script = [0.0, *[(StatusCode.UNAVAILABLE, "stopping")] * 500]
    arguments = ("annotate", photos, "--out", out, "--url", engine.url, "--concurrency", 2)
    done = Outcome(*arguments, "--wait", 0.3)
    assert done.exit_code == 1
    assert "1 annotated" in done.output
    assert f"No server is ready at {engine.url}: start one with `ssa serve`" in done.output
    assert "Images left: 5." in done.output
    engine.script = []
    rest = Outcome(*arguments)
    assert rest.exit_code == 0
    assert "5 annotated, 15 masks" in rest.output
    assert "1 were done before" in rest.output


def test_a_server_without_the_engine_stops_the_run(
    engine: FakeTriton, photos: Path, out: Path
) -> None:
    engine.script = [(StatusCode.NOT_FOUND, "unknown model 'ssa_engine'")] * 9
    done = Outcome("annotate", photos, "--out", out, "--url", engine.url)
    assert done.exit_code == 1
    assert "serves no engine; export one with `ssa export` (unknown model" in done.output
    assert "Images left: 6." in done.output


@pytest.mark.parametrize(
    ("number", "sigint"),
    [
        (signal.SIGINT, signal.default_int_handler),
        (signal.SIGTERM, signal.default_int_handler),
        (signal.SIGTERM, signal.SIG_IGN),  # in the background of a script
    ],
)
def test_a_signal_ends_with_a_summary_and_whole_files(
    engine: FakeTriton,
    photos: Path,
    out: Path,
    ctrl_c: None,
    number: signal.Signals,
    sigint: signal.Handlers,
) -> None:
    signal.signal(signal.SIGINT, sigint)
    engine.script = [0.0, 30.0, 30.0]

    def interrupt() -> None:
        while not (out.is_dir() and any(out.glob("*.json")) and len(engine.requests) >= 3):
            if finished.wait(0.02):
                return
        os.kill(os.getpid(), number)

    finished = threading.Event()
    thread = threading.Thread(target=interrupt)
    thread.start()
    try:
        done = Outcome("annotate", photos, "--out", out, "--url", engine.url, "--concurrency", 2)
    finally:
        finished.set()
        thread.join()
    assert done.exit_code == 130
    assert "1 annotated, 3 masks" in done.output
    assert "Interrupted. Images left: 5." in done.output
    assert len(written(out)) == 1
    assert engine.cancelled.wait(5)


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (["--masks", "sa1b", "--set", "points_per_side=3"], "given masks leave nothing to set"),
        (["--classes", "car", "--classes-file", "names.txt"], "it excludes --classes-file"),
        (["--classes", " ,"], "it has no name"),
        (["--classes-file", "missing.txt"], "cannot read 'missing.txt'"),
        (["--masks", "coco"], "'coco' is not"),
        (["--set", "classes=3"], "no mask setting"),
        (["--concurrency", "0"], "--concurrency"),
        (["--url", "http://localhost"], "not host:port"),
    ],
)
def test_a_wrong_option_is_a_usage_error(
    photos: Path, out: Path, options: Sequence[str], why: str
) -> None:
    done = Outcome("annotate", photos, "--out", out, *options)
    assert done.exit_code == 2
    assert why in done.output


def test_a_vocabulary_comes_from_a_file(engine: FakeTriton, photos: Path, out: Path) -> None:
    names = photos / "names.txt"
    names.write_text("car\n\n  街道 \ncar\n", "utf-8")
    done = Outcome("annotate", photos, "--out", out, "--url", engine.url, "--classes-file", names)
    assert done.exit_code == 0, done.output
    assert engine.sent("CLASSES") == [b"car", "街道".encode()]


def test_no_folder_is_a_usage_error_and_an_empty_one_a_failure(
    engine: FakeTriton, photos: Path, out: Path, tmp_path: Path
) -> None:
    file = Outcome("annotate", photos / "a.jpg", "--out", out, "--url", engine.url)
    assert file.exit_code == 2
    (tmp_path / "empty").mkdir()
    empty = Outcome("annotate", tmp_path / "empty", "--out", out, "--url", engine.url)
    assert empty.exit_code == 1
    assert "no images" in empty.output
