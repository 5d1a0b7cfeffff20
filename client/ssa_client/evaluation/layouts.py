"""The data sets' folders as they are published: which image has which truth.

Sources: SceneParse150's `ADEChallengeData2016` (ADE20K), the `cityscapesScripts` and the Foggy
Driving archive.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ssa_backend.labels import ADE20K, CITYSCAPES
from ssa_client.evaluation.errors import LayoutError

_IMAGE_SUFFIXES = (".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")
_TRAIN_IDS_HINT = (
    "cityscapesscripts' createTrainIdLabelImgs.py writes these files from the polygons"
)


@dataclass(frozen=True)
class Sample:
    """An image, the file with its truth, and where the image stands below the images' folder."""

    image: Path
    label: Path
    name: str


@dataclass(frozen=True)
class Layout:
    """How a data set lies on disk.

    `<images>/<part>/<stem><image_suffix>` has its truth in `<labels>/<part>/<stem><label_suffix>`,
    for each of `parts`; "" is the folder itself. Labels in which 0 means "no class" and ids count
    from 1 are `counted_from_one`.
    """

    name: str
    classes: tuple[str, ...] | None
    images: str = ""
    labels: str = ""
    parts: tuple[str, ...] = ("",)
    image_suffixes: tuple[str, ...] = _IMAGE_SUFFIXES
    label_suffix: str = ".png"
    counted_from_one: bool = False
    hint: str = ""


LAYOUTS = {
    layout.name: layout
    for layout in (
        Layout(
            "ade20k",
            ADE20K,
            images="images/validation",
            labels="annotations/validation",
            image_suffixes=(".jpg",),
            counted_from_one=True,
        ),
        Layout(
            "cityscapes",
            CITYSCAPES,
            images="leftImg8bit/val",
            labels="gtFine/val",
            parts=("frankfurt", "lindau", "munster"),
            image_suffixes=("_leftImg8bit.png",),
            label_suffix="_gtFine_labelTrainIds.png",
            hint=_TRAIN_IDS_HINT,
        ),
        Layout(
            "foggy-driving",
            CITYSCAPES,
            images="leftImg8bit/test",
            labels="gtFine/test",
            parts=("public", "pedestrian"),
            image_suffixes=("_leftImg8bit.png",),
            label_suffix="_gtFine_labelTrainIds.png",
            hint=_TRAIN_IDS_HINT,
        ),
        Layout("custom", None),
    )
}


@dataclass(frozen=True)
class Dataset:
    """The images that were found, in order, and the published parts that are not there."""

    layout: Layout
    samples: tuple[Sample, ...]
    missing_parts: tuple[str, ...] = ()


def find_samples(layout: Layout, images: Path, labels: Path) -> Dataset:
    """Every image below `images` with the file in which its truth should be.

    Args:
        layout: how the data set lies on disk.
        images: the data set's root, or the folder of its images or one on the way to it.
        labels: likewise for the truth.

    Raises:
        LayoutError: a folder is missing, there is no image, or no image has truth.
    """
    images = _resolve(layout, images, layout.images)
    labels = _resolve(layout, labels, layout.labels)
    there = [part for part in layout.parts if (images / part).is_dir()]
    samples = tuple(_samples(layout, images, labels, there))
    if not samples:
        raise LayoutError(f"{images} has no images; {_expected(layout, layout.images)}.")
    if not any(sample.label.is_file() for sample in samples):
        hint = f"; {layout.hint}" if layout.hint else ""
        raise LayoutError(
            f"none of {len(samples)} images has truth: {samples[0].image} should have "
            f"{samples[0].label}, and so on{hint}."
        )
    missing = tuple(part for part in layout.parts if part not in there)
    return Dataset(layout, samples, missing)


def _samples(layout: Layout, images: Path, labels: Path, parts: Sequence[str]) -> Iterator[Sample]:
    for part in parts:
        for image in sorted((images / part).iterdir()):
            stem = _stem(image.name, layout.image_suffixes)
            if stem and image.is_file():
                label = labels / part / f"{stem}{layout.label_suffix}"
                # Images and truth in one folder: a truth file is no image.
                if label != image:
                    yield Sample(image, label, (Path(part) / image.name).as_posix())


def _stem(file_name: str, suffixes: Sequence[str]) -> str:
    """`file_name` without that of `suffixes` that it ends with; "" if it has none."""
    for suffix in suffixes:
        if file_name.lower().endswith(suffix.lower()):
            return file_name[: -len(suffix)]
    return ""


def _resolve(layout: Layout, given: Path, below_root: str) -> Path:
    """The folder `below_root` of a data set, of which `given` is the root or a folder on the way.

    Raises:
        LayoutError: it is not there.
    """
    if not given.is_dir():
        raise LayoutError(f"{given} is no folder; {_expected(layout, below_root)}.")
    parts = Path(below_root).parts
    for entered in range(len(parts) + 1):
        # The root lacks none of `parts`; the folder itself has all of them behind it.
        folder = given.joinpath(*parts[entered:])
        if folder.is_dir() and _has_parts(layout, folder):
            return folder
    raise LayoutError(
        f"{given} is not laid out as {layout.name} is published; {_expected(layout, below_root)}."
    )


def _has_parts(layout: Layout, folder: Path) -> bool:
    return any((folder / part).is_dir() for part in layout.parts)


def _expected(layout: Layout, below_root: str) -> str:
    """What stands where, for a message."""
    if not below_root:
        return (
            f"expected a folder of images ({', '.join(layout.image_suffixes)}) and a folder of PNG "
            "labels with the same names"
        )
    suffix = layout.image_suffixes[0] if below_root == layout.images else layout.label_suffix
    part = f"{{{','.join(layout.parts)}}}/" if len(layout.parts) > 1 else ""
    return f"expected {below_root}/{part}*{suffix} in the data set's root, or that folder itself"
