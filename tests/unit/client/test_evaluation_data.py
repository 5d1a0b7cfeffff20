"""What an evaluation reads: published folders, and the truth in them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ssa_backend.labels import ADE20K
from ssa_client.evaluation.confusion import IGNORE
from ssa_client.evaluation.errors import LayoutError, SampleError
from ssa_client.evaluation.layouts import LAYOUTS, find_samples
from ssa_client.evaluation.truth import read_truth
from tests.unit.client.evaluation_files import sample_of, save

CUSTOM = LAYOUTS["custom"]

# --- layouts ---------------------------------------------------------------------------------

PUBLISHED = {
    "ade20k": (
        ("images/validation/ADE_val_1.jpg", "annotations/validation/ADE_val_1.png"),
        ("images/training/ADE_train_1.jpg", "annotations/training/ADE_train_1.png"),
    ),
    "cityscapes": (
        (
            "leftImg8bit/val/lindau/a_leftImg8bit.png",
            "gtFine/val/lindau/a_gtFine_labelTrainIds.png",
        ),
        ("leftImg8bit/val/ulm/b_leftImg8bit.png", "gtFine/val/ulm/b_gtFine_labelTrainIds.png"),
    ),
    "foggy-driving": (
        (
            "leftImg8bit/test/public/a_leftImg8bit.png",
            "gtFine/test/public/a_gtFine_labelTrainIds.png",
        ),
        (
            "leftImg8bit/val/public/b_leftImg8bit.png",
            "gtFine/val/public/b_gtFine_labelTrainIds.png",
        ),
    ),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_only_the_evaluated_part_is_read_from_the_root_or_any_folder_below(
    tmp_path: Path, name: str
) -> None:
    for pair in PUBLISHED[name]:
        for file in pair:
            save(tmp_path / file, np.zeros((2, 2)))
    layout = LAYOUTS[name]
    image, label = (tmp_path / file for file in PUBLISHED[name][0])
    for images in (".", Path(layout.images).parts[0], layout.images):
        for labels in (".", Path(layout.labels).parts[0], layout.labels):
            (sample,) = find_samples(layout, tmp_path / images, tmp_path / labels).samples
            assert (sample.image, sample.label) == (image, label)
            assert sample.name == image.relative_to(tmp_path / layout.images).as_posix()


def test_parts_that_are_not_there_are_said(tmp_path: Path) -> None:
    for file in PUBLISHED["cityscapes"][0]:
        save(tmp_path / file, np.zeros((2, 2)))
    found = find_samples(LAYOUTS["cityscapes"], tmp_path, tmp_path)
    assert found.missing_parts == ("frankfurt", "munster")


def test_images_and_labels_may_share_a_folder(tmp_path: Path) -> None:
    for name in ("b.jpg", "b.png", "a.JPG", "a.png"):
        save(tmp_path / name, np.zeros((2, 2)))
    (tmp_path / "notes.txt").write_text("no image")
    samples = find_samples(CUSTOM, tmp_path, tmp_path).samples
    assert [(s.image.name, s.label.name) for s in samples] == [
        ("a.JPG", "a.png"),
        ("b.jpg", "b.png"),
    ]


@pytest.mark.parametrize(
    ("name", "files", "expected"),
    [
        ("cityscapes", ["val/x_leftImg8bit.png"], "expected leftImg8bit/val/{frankfurt,lindau,"),
        ("ade20k", ["images/validation/x.png"], r"expected images/validation/\*.jpg"),
        ("ade20k", ["images/validation/x.jpg"], "should have .*x.png"),
        ("cityscapes", [PUBLISHED["cityscapes"][0][0]], r"expected gtFine/val/.*labelTrainIds.png"),
        (
            "cityscapes",
            [PUBLISHED["cityscapes"][0][0], "gtFine/val/lindau/a_gtFine_labelIds.png"],
            "a_gtFine_labelTrainIds.png, and so on; cityscapesscripts",
        ),
        ("custom", ["notes.txt.gz"], "has no images; expected a folder of images"),
    ],
)
def test_a_wrong_layout_says_what_was_expected(
    tmp_path: Path, name: str, files: list[str], expected: str
) -> None:
    for file in files:
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).touch()
    with pytest.raises(LayoutError, match=expected) as raised:
        find_samples(LAYOUTS[name], tmp_path, tmp_path)
    assert str(tmp_path) in str(raised.value)


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(LayoutError, match="nowhere is no folder"):
        find_samples(CUSTOM, tmp_path / "nowhere", tmp_path)


# --- truth -----------------------------------------------------------------------------------


def test_ade20k_counts_from_one(tmp_path: Path) -> None:
    label = save(tmp_path / "x.png", [[0, 1, 2], [150, 255, 7]])
    ids = read_truth(sample_of(label), LAYOUTS["ade20k"], len(ADE20K))
    assert ids.tolist() == [[IGNORE, 0, 1], [149, IGNORE, 6]]


def test_labels_may_have_a_palette_or_16_bits(tmp_path: Path) -> None:
    raw = np.array([[0, 2], [255, 1]], np.uint8)
    with_palette = Image.fromarray(raw)
    with_palette.putpalette(list(range(256)) * 3)
    with_palette.save(tmp_path / "p.png")
    for label in (tmp_path / "p.png", save(tmp_path / "w.png", raw, np.uint16)):
        assert read_truth(sample_of(label), CUSTOM, 3).tolist() == raw.tolist()


def test_truth_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    def refused(label: Path, match: str, layout: str = "custom", classes: int = 3) -> None:
        with pytest.raises(SampleError, match=match) as raised:
            read_truth(sample_of(label), LAYOUTS[layout], classes)
        assert str(label) in str(raised.value)

    refused(tmp_path / "none.png", "no truth: expected")
    refused(tmp_path / "none.png", "createTrainIdLabelImgs", "cityscapes")
    (tmp_path / "text.png").write_text("no picture")
    refused(tmp_path / "text.png", "cannot read")
    refused(save(tmp_path / "rgb.png", np.zeros((2, 2, 3))), "is RGB; expected one channel")
    unknown = save(tmp_path / "ids.png", [[0, 3, 200, 255]])
    refused(unknown, "has the ids 3, 200; expected 0 to 2, and 255 to ignore")
    refused(unknown, "has the ids 200; expected 1 to 150, and 0 where", "ade20k", 150)
