"""What an evaluation is made of: counts, figures, names, stored results, the run, the server."""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ssa_backend.labels import ADE20K, CITYSCAPES
from ssa_client.evaluation.classes import read_classes, require_same_classes
from ssa_client.evaluation.confusion import IGNORE, Scores, confusion_matrix
from ssa_client.evaluation.errors import ClassesError, SampleError
from ssa_client.evaluation.layouts import LAYOUTS, Dataset, Sample, find_samples
from ssa_client.evaluation.prediction import Prediction, Stored
from ssa_client.evaluation.runner import Outcome, evaluate
from ssa_client.evaluation.server import ServerDescription
from ssa_client.evaluation.worst import WorstCases
from ssa_client.exceptions import ServerUnavailableError
from tests.unit.client.evaluation_files import sample_of, save, stored

CUSTOM = LAYOUTS["custom"]
NAMES = ("road", "sky", "car")


# --- counts and figures ----------------------------------------------------------------------


def test_a_confusion_matrix_counts_pixels_and_leaves_out_what_is_ignored() -> None:
    truth = np.array([[0, 0, 1, IGNORE], [1, 1, 2, IGNORE]], np.uint16)
    predicted = np.array([[0, 1, 1, 0], [1, 2, 2, 2]], np.uint16)
    matrix = confusion_matrix(truth, predicted, 4)
    assert matrix.dtype == np.int64
    assert matrix.tolist() == [[1, 1, 0, 0], [0, 2, 1, 0], [0, 0, 1, 0], [0, 0, 0, 0]]


def test_maps_that_do_not_fit_are_refused() -> None:
    truth = np.zeros((2, 3), np.uint16)
    with pytest.raises(ValueError, match=r"expected \(2, 3\), height first"):
        confusion_matrix(truth, truth.T, 4)
    with pytest.raises(ValueError, match="expected 0 to 3"):
        confusion_matrix(truth, truth + np.uint16(4), 4)


def test_figures_are_those_worked_out_by_hand() -> None:
    # Class 2 is predicted and never true, class 3 neither.
    scores = Scores.of(np.array([[6, 2, 0, 0], [0, 1, 1, 0], [0, 0, 0, 0], [0, 0, 0, 0]]))
    np.testing.assert_allclose(scores.iou, [6 / 8, 1 / 4, 0, np.nan])
    np.testing.assert_allclose(scores.accuracy, [6 / 8, 1 / 2, np.nan, np.nan])
    assert scores.miou == pytest.approx((6 / 8 + 1 / 4 + 0) / 3)
    assert scores.mean_accuracy == pytest.approx((6 / 8 + 1 / 2) / 2)
    assert scores.pixel_accuracy == pytest.approx(7 / 10)


def test_without_a_pixel_there_are_no_figures() -> None:
    scores = Scores.of(np.zeros((3, 3), np.int64))
    assert math.isnan(scores.miou)
    assert math.isnan(scores.pixel_accuracy)


# --- class names -----------------------------------------------------------------------------


def test_names_may_differ_in_how_they_are_written() -> None:
    detectron = {
        "windowpane": "window ",
        "railing": "rail",
        "sidewalk": "Sidewalk, pavement",
        "traffic light": "traffic-light",
        "ashcan": "trash can",
    }
    require_same_classes(ADE20K, [detectron.get(name, name) for name in ADE20K], "x")


def test_other_classes_are_refused_with_what_came() -> None:
    with pytest.raises(ClassesError, match=r"x has 19 classes \(road, .*expected 150 \(wall, "):
        require_same_classes(ADE20K, CITYSCAPES, "x")
    with pytest.raises(ClassesError, match=r"class 0 is 'bicycle', expected 'road'.*and so on"):
        require_same_classes(CITYSCAPES, CITYSCAPES[::-1], "x")


def test_classes_are_read_from_a_text_file(tmp_path: Path) -> None:
    file = tmp_path / "classes.txt"
    file.write_text("road\n sky\ncar\n", "utf-8")
    assert read_classes(file) == NAMES
    # A line left out would move every id behind it.
    file.write_text("road\n\ncar\n", "utf-8")
    with pytest.raises(ClassesError, match="empty line"):
        read_classes(file)
    with pytest.raises(ClassesError, match="cannot read"):
        read_classes(tmp_path / "none.txt")


# --- stored results --------------------------------------------------------------------------


async def test_stored_maps_come_back_flat_or_nested(tmp_path: Path) -> None:
    class_map = np.random.default_rng(0).integers(0, 3, (20, 30), dtype=np.uint8)
    document = stored(class_map, dict(zip("012", NAMES, strict=True)))
    sample = Sample(Path("in/ulm/a.jpg"), Path("a.png"), "ulm/a.jpg")
    for folder in ("flat", "nested/ulm"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "a_semantic.json").write_text(json.dumps(document))
        prediction = await Stored(tmp_path / Path(folder).parts[0], NAMES)(sample, b"")
        np.testing.assert_array_equal(prediction.ssa, class_map)
        assert prediction.branch is None


def _without_a_mask(document: dict[str, Any]) -> None:
    del document["semantic_mask"]["1"]


def _overlapping(document: dict[str, Any]) -> None:
    document["semantic_mask"]["0"] = document["semantic_mask"]["1"]


def _no_masks(document: dict[str, Any]) -> None:
    document["semantic_mask"] = {}


def _broken_rle(document: dict[str, Any]) -> None:
    document["semantic_mask"]["1"] = {"size": [20, 30]}


@pytest.mark.parametrize("spoil", [_without_a_mask, _overlapping, _no_masks, _broken_rle])
async def test_a_stored_result_that_covers_not_each_pixel_once_is_refused(
    tmp_path: Path, spoil: Callable[[dict[str, Any]], None]
) -> None:
    document = stored(np.random.default_rng(0).integers(0, 3, (20, 30), dtype=np.uint8))
    spoil(document)
    (tmp_path / "a_semantic.json").write_text(json.dumps(document))
    with pytest.raises(SampleError, match=r"a_semantic\.json is not as `ssa segment` writes it"):
        await Stored(tmp_path, NAMES)(sample_of(Path("a.png")), b"")


async def test_stored_results_of_other_classes_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SampleError, match=r"no result: expected .*a_semantic.json"):
        await Stored(tmp_path, NAMES)(sample_of(Path("a.png")), b"")
    file = tmp_path / "a_semantic.json"
    file.write_text(json.dumps(stored(np.full((4, 4), 3, np.uint8))))
    with pytest.raises(ClassesError, match="has the class ids 3; the data set's go from 0 to 2"):
        await Stored(tmp_path, NAMES)(sample_of(Path("a.png")), b"")
    file.write_text(json.dumps(stored(np.full((4, 4), 2, np.uint8), {"2": "sky"})))
    with pytest.raises(ClassesError, match="class 2 is 'sky', expected 'car'"):
        await Stored(tmp_path, NAMES)(sample_of(Path("a.png")), b"")


# --- the run ---------------------------------------------------------------------------------


def _dataset(tmp_path: Path, count: int) -> Dataset:
    for number in range(count):
        save(tmp_path / f"{number}.jpg", np.zeros((6, 8, 3)))
        save(tmp_path / f"{number}.png", np.full((6, 8), number % 3))
    return find_samples(CUSTOM, tmp_path, tmp_path)


async def _all_road(_sample: Sample, _image: bytes) -> Prediction:
    return Prediction(np.zeros((6, 8), np.uint16), None)


async def test_failures_are_left_out_and_reported_in_order(tmp_path: Path) -> None:
    dataset = _dataset(tmp_path, 7)
    (tmp_path / "5.jpg").write_bytes(b"no image")
    (tmp_path / "4.jpg").unlink()
    save(tmp_path / "2.png", np.zeros((8, 6)))

    async def predict(sample: Sample, image: bytes) -> Prediction:
        if sample.name == "1.jpg":
            return Prediction(np.zeros((3, 4), np.uint16), None)
        return await _all_road(sample, image)

    done: list[str] = []
    outcome = await evaluate(dataset, predict, NAMES, on_done=lambda s: done.append(s.name))
    assert outcome.images == 3
    assert outcome.ssa.tolist() == [[3 * 48, 0, 0], [0, 0, 0], [0, 0, 0]]
    reasons = {failure.name: failure.reason for failure in outcome.failures}
    assert list(reasons) == ["1.jpg", "2.jpg", "4.jpg", "5.jpg"]
    assert "the SSA map does not fit the truth: it is (3, 4) pixels" in reasons["1.jpg"]
    assert f"2.png is 6x8 pixels; expected the 8x6 of {tmp_path / '2.jpg'}" in reasons["2.jpg"]
    assert "cannot read image" in reasons["4.jpg"]
    assert f"cannot read {tmp_path / '5.jpg'}" in reasons["5.jpg"]
    assert sorted(done) == [f"{number}.jpg" for number in range(7)]


async def test_an_image_that_cannot_be_drawn_is_not_counted_as_well(tmp_path: Path) -> None:
    dataset = _dataset(tmp_path, 3)
    whole = (tmp_path / "1.jpg").read_bytes()
    (tmp_path / "1.jpg").write_bytes(whole[:-100])
    outcome = await evaluate(dataset, _all_road, NAMES, worst=WorstCases(3))
    assert [failure.name for failure in outcome.failures] == ["1.jpg"]
    assert (outcome.images, outcome.not_tried, outcome.ssa.sum()) == (2, 0, 2 * 48)


async def test_an_error_that_all_would_meet_ends_the_run(tmp_path: Path) -> None:
    asked = 0

    async def predict(sample: Sample, image: bytes) -> Prediction:
        nonlocal asked
        asked += 1
        if asked > 2:
            raise ServerUnavailableError("gone")
        return await _all_road(sample, image)

    outcome: Outcome = await evaluate(_dataset(tmp_path, 9), predict, NAMES, concurrency=1)
    assert asked == 3
    assert (outcome.images, outcome.not_tried, outcome.failures) == (2, 7, [])
    assert str(outcome.stopped_by) == "gone"


async def test_no_more_images_are_held_than_asked_for(tmp_path: Path) -> None:
    held = most = 0

    async def predict(sample: Sample, image: bytes) -> Prediction:
        nonlocal held, most
        held += 1
        most = max(most, held)
        await asyncio.sleep(0.01)
        held -= 1
        return await _all_road(sample, image)

    await evaluate(_dataset(tmp_path, 12), predict, NAMES, concurrency=3)
    assert most == 3


# --- what the server says of itself ----------------------------------------------------------


def test_a_pipeline_without_classes_is_refused() -> None:
    segmenter = {"source": "b", "sha256": "2", "labels": list(NAMES)}
    settings = {"segmenter": segmenter, "note": "no JSON"}
    described = ServerDescription("host:1", "triton", "2.51.0", "ssa", settings, {})
    assert described.labels == NAMES
    assert described.checkpoints["segmenter"] == {"source": "b", "sha256": "2"}
    del described.settings["segmenter"]
    with pytest.raises(ClassesError, match="does not say which classes it has"):
        _ = described.labels
