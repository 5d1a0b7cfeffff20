"""`ssa evaluate`, against stored results and against a server that answers over real gRPC."""

from __future__ import annotations

import base64
import io
import json
import re
import socket
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from grpc import StatusCode
from PIL import Image

from ssa_backend.labels import ADE20K, CITYSCAPES
from ssa_backend.settings import RepositorySettings
from ssa_client import _retry
from tests.unit.client import command
from tests.unit.client.described_triton import DescribedTriton
from tests.unit.client.evaluation_files import save, stored
from tests.unit.client.fake_triton import Tensors

HEIGHT, WIDTH = 60, 80
IGNORE = 255


@pytest.fixture(autouse=True)
def _wide_and_quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "300")
    monkeypatch.setattr(_retry, "FIRST_WAIT_S", 0.01)


@pytest.fixture
def root(tmp_path: Path, tensors: Tensors) -> Path:
    """Three images in Cityscapes' layout, whose truth is SSA's map with more and more changed."""
    rng = np.random.default_rng(3)
    for number, city in enumerate(("frankfurt", "lindau", "munster")):
        truth = tensors["semantic_map"].astype(np.uint8)
        truth[: 5 * number] = rng.integers(0, 19, (5 * number, WIDTH))
        truth[:, :7] = IGNORE
        save(tmp_path / f"data/gtFine/val/{city}/{city}_1_gtFine_labelTrainIds.png", truth)
        pixels = rng.integers(0, 256, (HEIGHT, WIDTH, 3))
        save(tmp_path / f"data/leftImg8bit/val/{city}/{city}_1_leftImg8bit.png", pixels)
    return tmp_path / "data"


class Outcome(command.Outcome):
    """A run of `ssa evaluate`, and its report where it wrote one."""

    def __init__(self, report: Path, *arguments: object) -> None:
        super().__init__("evaluate", *arguments, "--report", report)
        self.report: Any = json.loads(report.read_text()) if report.exists() else None


def _mean_iou(truths: list[npt.NDArray[Any]], predicted: list[npt.NDArray[Any]]) -> float:
    """mIoU over class after class, the slow way."""
    truth, called = np.stack(truths), np.stack(predicted)
    counted = truth != IGNORE
    ious = []
    for class_id in range(len(CITYSCAPES)):
        true, said = (truth == class_id) & counted, (called == class_id) & counted
        if (true | said).any():
            ious.append((true & said).sum() / (true | said).sum())
    return float(np.mean(ious))


def _truths(root: Path) -> list[npt.NDArray[Any]]:
    return [np.array(Image.open(file)) for file in sorted(root.glob("gtFine/val/*/*.png"))]


def test_a_served_evaluation(
    described: DescribedTriton, root: Path, tmp_path: Path, repository_settings: RepositorySettings
) -> None:
    page = tmp_path / "out/worst.html"
    done = Outcome(
        tmp_path / "out/report.json",
        *("--dataset", "cityscapes", "--images", root, "--url", described.url),
        *("--set", "points_per_side=16", "--page", page, "--worst", 2),
    )
    assert done.exit_code == 0, done.output
    for text in ("IoU on cityscapes, 3 images", "SSA - branch", "pixel accuracy", "traffic light"):
        assert text in done.output
    report, tensors = done.report, described.tensors
    assert report["images"] == report["found"] == 3
    for whose, name in (("ssa", "semantic_map"), ("branch", "branch_map")):
        expected = _mean_iou(_truths(root), [tensors[name]] * 3)
        assert report[whose]["miou"] == pytest.approx(expected, abs=1e-9)
        assert [entry["name"] for entry in report[whose]["classes"]] == list(CITYSCAPES)
        assert np.sum(report[whose]["confusion"]) == 3 * HEIGHT * (WIDTH - 7)
    server = report["server"]
    assert (server["version"], server["model"], server["preset"]) == ("2.51.0", "ssa", "mini")
    assert repository_settings.segmenter
    assert server["checkpoints"] == {
        "sam": {"source": "mini-sam", "sha256": repository_settings.sam.sha256},
        "segmenter": {
            "source": "mini-segformer",
            "sha256": repository_settings.segmenter.sha256,
        },
    }
    assert server["settings"]["masks"]["points_per_side"] == 32
    assert report["conditions"]["settings"] == {"points_per_side": "16"}
    assert report["conditions"]["channels"] == "rgb"
    assert described.requests[0].parameters["points_per_side"].string_param == "16"
    _check_page(page.read_text("utf-8"))


def _check_page(text: str) -> None:
    """Two cases, the worst first, every picture inside the page."""
    assert re.findall("<h2>(.*?)</h2>", text) == [
        "munster/munster_1_leftImg8bit.png",
        "lindau/lindau_1_leftImg8bit.png",
    ]
    sources = re.findall('src="(.*?)"', text)
    assert len(sources) == 2 * 4
    for source in sources:
        kind, data = source.split(",")
        assert kind == "data:image/jpeg;base64"
        with Image.open(io.BytesIO(base64.b64decode(data))) as picture:
            assert picture.size == (WIDTH, HEIGHT)


def test_bgr_swaps_red_and_blue(described: DescribedTriton, root: Path, tmp_path: Path) -> None:
    files = sorted(root.glob("leftImg8bit/val/*/*.png"))[:1]
    common = ("--dataset", "cityscapes", "--images", root, "--url", described.url, "--limit", 1)
    for options in ((), ("--bgr",)):
        done = Outcome(tmp_path / "report.json", *common, *options)
        assert done.exit_code == 0, done.output
        assert done.report["images"] == 1
    assert done.report["conditions"]["channels"] == "bgr"
    plain, swapped = described.images
    assert plain == files[0].read_bytes()
    before, after = (np.array(Image.open(io.BytesIO(data))) for data in (plain, swapped))
    np.testing.assert_array_equal(after, before[..., ::-1])


def test_a_server_of_other_classes_is_not_asked(
    described: DescribedTriton, root: Path, tmp_path: Path
) -> None:
    for picture in root.glob("leftImg8bit/val/*/*.png"):
        save(tmp_path / f"ade/annotations/validation/{picture.stem}.png", np.ones((4, 4)))
        image = save(tmp_path / f"ade/images/validation/{picture.stem}.jpg", np.ones((4, 4)))
    url = ("--url", described.url)
    done = Outcome(
        tmp_path / "r.json", "--dataset", "ade20k", "--images", image.parent.parent.parent, *url
    )
    assert done.exit_code == 1
    assert "has 19 classes (road, sidewalk, building, ...); expected 150" in done.output
    assert described.requests == []
    assert len(ADE20K) == 150


def test_custom_takes_the_servers_classes(
    described: DescribedTriton, root: Path, tmp_path: Path
) -> None:
    for file in root.glob("*/val/*/*.png"):
        kind = "labels" if "gtFine" in file.name else "images"
        (tmp_path / kind).mkdir(exist_ok=True)
        file.rename(tmp_path / kind / f"{file.name.split('_')[0]}.png")
    done = Outcome(
        tmp_path / "report.json",
        *("--dataset", "custom", "--images", tmp_path / "images", "--labels", tmp_path / "labels"),
        *("--url", described.url),
    )
    assert done.exit_code == 0, done.output
    assert done.report["images"] == 3
    assert done.report["ssa"]["classes"][0]["name"] == "road"


def test_a_failed_image_is_named_and_left_out(
    described: DescribedTriton, root: Path, tmp_path: Path
) -> None:
    described.script = [(StatusCode.INVALID_ARGUMENT, "IMAGE is [damaged].")]
    label = root / "gtFine/val/lindau/lindau_1_gtFine_labelTrainIds.png"
    label.unlink()
    done = Outcome(
        tmp_path / "report.json",
        *("--dataset", "cityscapes", "--images", root, "--url", described.url),
        *("--concurrency", 1),
    )
    assert done.exit_code == 1
    assert "IoU on cityscapes, 1 of 3 images" in done.output
    assert "2 failed and are not in the figures" in done.output
    assert "frankfurt/frankfurt_1_leftImg8bit.png IMAGE is [damaged]." in done.output
    assert f"no truth: expected {label}; cityscapesscripts'" in done.output
    assert (done.report["images"], done.report["found"]) == (1, 3)
    assert [failure["image"] for failure in done.report["failures"]] == [
        "frankfurt/frankfurt_1_leftImg8bit.png",
        "lindau/lindau_1_leftImg8bit.png",
    ]


def test_a_server_that_goes_away_ends_the_run(
    described: DescribedTriton, root: Path, tmp_path: Path
) -> None:
    described.script = [0.0, *[(StatusCode.UNAVAILABLE, "stopping")] * 7]
    done = Outcome(
        tmp_path / "report.json",
        *("--dataset", "cityscapes", "--images", root, "--url", described.url),
        *("--concurrency", 1),
    )
    assert done.exit_code == 1
    assert "Stopped: stopping Images left: 2." in done.output
    assert (done.report["images"], done.report["not_tried"]) == (1, 2)


def test_no_server_is_one_sentence(root: Path, tmp_path: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        url = f"127.0.0.1:{probe.getsockname()[1]}"
    common = ("--dataset", "cityscapes", "--images", root)
    done = Outcome(tmp_path / "r.json", *common, "--url", url)
    assert done.exit_code == 1
    assert f"No server is ready at {url}: start one with `ssa serve`" in done.output


def test_an_unknown_model_is_said(described: DescribedTriton, root: Path, tmp_path: Path) -> None:
    common = ("--dataset", "cityscapes", "--images", root, "--url", described.url)
    done = Outcome(tmp_path / "r.json", *common, "--model", "none")
    assert done.exit_code == 1
    assert "ssa evaluate: unknown model none" in done.output


def test_stored_results_need_no_server(root: Path, tmp_path: Path, tensors: Tensors) -> None:
    results = tmp_path / "results"
    results.mkdir()
    predicted = tensors["semantic_map"].astype(np.uint8)
    for picture in root.glob("leftImg8bit/val/*/*.png"):
        (results / f"{picture.stem}_semantic.json").write_text(json.dumps(stored(predicted)))
    common = ("--dataset", "cityscapes", "--images", root, "--given", results)
    done = Outcome(tmp_path / "report.json", *common, "--page", tmp_path / "page.html")
    assert done.exit_code == 0, done.output
    assert done.report["ssa"]["miou"] == pytest.approx(_mean_iou(_truths(root), [predicted] * 3))
    assert done.report["server"] is None
    assert "branch" not in done.report
    assert "SSA - branch" not in done.output
    assert len(re.findall("<img", (tmp_path / "page.html").read_text())) == 3 * 3

    (results / "lindau_1_leftImg8bit_semantic.json").unlink()
    done = Outcome(tmp_path / "report.json", *common)
    assert done.exit_code == 1
    assert "no result: expected" in done.output
    assert done.report["images"] == 2


@pytest.mark.parametrize(
    ("options", "exit_code", "why"),
    [
        (("--dataset", "cityscapes", "--given", ".", "--bgr"), 2, "take no --bgr and no --set"),
        (("--dataset", "cityscapes", "--url", "http://x"), 2, "not host:port"),
        (("--dataset", "cityscapes", "--given", "nowhere"), 1, "nowhere is no folder"),
        (("--dataset", "ade20k", "--given", "."), 1, "has no images; expected images/validation"),
        (("--dataset", "custom", "--given", "."), 1, "give them with --classes-file"),
        (("--dataset", "coco"), 2, "'coco' is not one of"),
    ],
)
def test_what_cannot_work_is_said(
    root: Path, tmp_path: Path, options: tuple[str, ...], exit_code: int, why: str
) -> None:
    images = root
    if "custom" in options:
        images = tmp_path / "custom"
        for name in ("a.jpg", "a.png"):
            save(images / name, np.zeros((4, 4)))
    done = Outcome(tmp_path / "r.json", *options, "--images", images)
    assert done.exit_code == exit_code, done.output
    assert why in done.output
    assert done.report is None
