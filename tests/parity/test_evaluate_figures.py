"""The figures of an evaluation against torchmetrics, on drawn scenes in every published layout."""

from __future__ import annotations

import shutil
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch
from PIL import Image
from torchmetrics.classification import (
    MulticlassAccuracy,
    MulticlassJaccardIndex,
    MulticlassRecall,
)

from ssa_backend.labels import ADE20K, CITYSCAPES
from ssa_client.evaluation.confusion import Scores
from ssa_client.evaluation.layouts import LAYOUTS, Sample, find_samples
from ssa_client.evaluation.prediction import Prediction
from ssa_client.evaluation.runner import evaluate
from ssa_export.scenes import write_scenes

SCENES = 30
SIZE_HW = (96, 128)
IGNORE = 255
TOLERANCE = 1e-6

Map = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Written:
    """A data set on disk, and how its truth reads: found and decoded here, not by the project."""

    layout: str
    root: Path
    classes: tuple[str, ...]
    labels: tuple[str, str]  # folder and pattern
    ignored_value: int = IGNORE
    first_value: int = 0

    def label_files(self) -> list[Path]:
        folder, pattern = self.labels
        return sorted((self.root / folder).glob(pattern))

    def truth(self, file: Path) -> Map:
        raw = np.array(Image.open(file))
        ignored = raw == self.ignored_value
        raw[~ignored] -= self.first_value
        raw[ignored] = IGNORE
        return raw


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The scenes as Cityscapes has them, with patches of truth that count for nothing."""
    root = tmp_path_factory.mktemp("cityscapes")
    assert len(list(write_scenes("cityscapes", root, 71, SCENES, SIZE_HW))) == SCENES
    _ignore_patches((root / "gtFine").rglob("*_labelTrainIds.png"), IGNORE)
    return root


def _cityscapes(drawn: Path, _tmp_path: Path) -> Written:
    labels = ("gtFine/val", "*/*_gtFine_labelTrainIds.png")
    return Written("cityscapes", drawn, CITYSCAPES, labels)


def _foggy_driving(drawn: Path, tmp_path: Path) -> Written:
    """Foggy Driving names its files as Cityscapes does, in folders of its own."""
    for number, picture in enumerate(sorted(drawn.glob("leftImg8bit/val/*/*.png"))):
        part = ("public", "pedestrian")[number % 2]
        stem = picture.name.removesuffix("_leftImg8bit.png")
        truth = drawn / "gtFine/val" / picture.parent.name / f"{stem}_gtFine_labelTrainIds.png"
        for file, kind in ((picture, "leftImg8bit"), (truth, "gtFine")):
            folder = tmp_path / kind / "test" / part
            folder.mkdir(parents=True, exist_ok=True)
            shutil.copy(file, folder)
    labels = ("gtFine/test", "*/*_gtFine_labelTrainIds.png")
    return Written("foggy-driving", tmp_path, CITYSCAPES, labels)


def _custom(drawn: Path, tmp_path: Path) -> Written:
    """Images and labels of one stem, in two folders."""
    for kind in ("images", "labels"):
        (tmp_path / kind).mkdir()
    for picture in drawn.glob("leftImg8bit/val/*/*.png"):
        stem = picture.name.removesuffix("_leftImg8bit.png")
        truth = drawn / "gtFine/val" / picture.parent.name / f"{stem}_gtFine_labelTrainIds.png"
        shutil.copy(picture, tmp_path / "images" / f"{stem}.png")
        shutil.copy(truth, tmp_path / "labels" / f"{stem}.png")
    return Written("custom", tmp_path, CITYSCAPES, ("labels", "*.png"))


def _ade20k(_drawn: Path, tmp_path: Path) -> Written:
    assert len(list(write_scenes("ade20k", tmp_path, 72, SCENES, SIZE_HW))) == SCENES
    labels = ("annotations/validation", "ADE_val_*.png")
    written = Written("ade20k", tmp_path, ADE20K, labels, ignored_value=0, first_value=1)
    _ignore_patches(written.label_files(), 0)
    return written


def _ignore_patches(files: Iterator[Path] | list[Path], value: int) -> None:
    for file in files:
        rng = _rng(file)
        labels = np.array(Image.open(file))
        y, x = rng.integers(0, SIZE_HW[0] - 20), rng.integers(0, SIZE_HW[1] - 30)
        labels[y : y + 20, x : x + 30] = value
        Image.fromarray(labels).save(file)


def _rng(file: Path) -> np.random.Generator:
    return np.random.default_rng(zlib.crc32(file.name.encode()))


def _corrupted(truth: Map, rng: np.random.Generator, classes: int, share: float) -> Map:
    """`truth` moved a little, a share of its pixels given any of a third of the classes."""
    predicted = np.roll(truth, tuple(rng.integers(-6, 7, 2)), axis=(0, 1))
    noisy = (rng.random(truth.shape) < share) | (predicted == IGNORE)
    predicted[noisy] = rng.integers(0, classes // 3, noisy.sum())
    return predicted


@pytest.mark.parametrize("write", [_ade20k, _cityscapes, _foggy_driving, _custom])
async def test_figures_are_those_of_torchmetrics(
    drawn: Path, tmp_path: Path, write: Callable[[Path, Path], Written]
) -> None:
    written = write(drawn, tmp_path)
    count = len(written.classes)
    truths, ssa, branch = {}, {}, {}
    for file in written.label_files():
        truths[file.name] = truth = written.truth(file)
        assert (truth == IGNORE).sum() >= 20 * 30
        ssa[file.name] = _corrupted(truth, _rng(file), count, 0.1)
        branch[file.name] = _corrupted(truth, _rng(file), count, 0.3)
    assert len(truths) == SCENES

    async def predict(sample: Sample, _image: bytes) -> Prediction:
        name = sample.label.name
        return Prediction(ssa[name].astype(np.uint16), branch[name].astype(np.uint16))

    images, labels = written.root, written.root
    if written.layout == "custom":
        images, labels = images / "images", labels / "labels"
    dataset = find_samples(LAYOUTS[written.layout], images, labels)
    outcome = await evaluate(dataset, predict, written.classes)
    assert outcome.complete, outcome.failures
    assert outcome.images == SCENES
    assert outcome.branch is not None
    _compare(Scores.of(outcome.ssa), truths, ssa, count)
    _compare(Scores.of(outcome.branch), truths, branch, count)
    assert Scores.of(outcome.branch).miou < Scores.of(outcome.ssa).miou


def _compare(scores: Scores, truths: dict[str, Map], maps: dict[str, Map], count: int) -> None:
    miou = MulticlassJaccardIndex(count, average="macro", ignore_index=IGNORE)
    iou = MulticlassJaccardIndex(count, average="none", ignore_index=IGNORE)
    recall = MulticlassRecall(count, average="none", ignore_index=IGNORE)
    pixel_accuracy = MulticlassAccuracy(count, average="micro", ignore_index=IGNORE)
    for name, truth in truths.items():
        predicted = torch.from_numpy(maps[name].astype(np.int64))[None]
        target = torch.from_numpy(truth.astype(np.int64))[None]
        for metric in (miou, iou, recall, pixel_accuracy):
            metric.update(predicted, target)
    assert scores.miou == pytest.approx(float(miou.compute()), abs=TOLERANCE)
    assert scores.pixel_accuracy == pytest.approx(float(pixel_accuracy.compute()), abs=TOLERANCE)
    # Where nothing can be divided torchmetrics says 0 of the class and leaves it out of the mean.
    occurs = ~np.isnan(scores.iou)
    np.testing.assert_allclose(scores.iou[occurs], iou.compute()[occurs], atol=TOLERANCE)
    assert not iou.compute()[~occurs].any()
    true = ~np.isnan(scores.accuracy)
    np.testing.assert_allclose(scores.accuracy[true], recall.compute()[true], atol=TOLERANCE)
    assert scores.mean_accuracy == pytest.approx(
        float(recall.compute()[true].mean()), abs=TOLERANCE
    )
    present = np.union1d(*(np.concatenate([m.ravel() for m in d.values()]) for d in (truths, maps)))
    assert set(np.flatnonzero(occurs)) <= set(present)
    if count == len(ADE20K):
        assert not occurs.all()
