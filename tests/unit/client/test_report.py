"""`ssa report`: what is counted and chosen, what the page holds, and what is said of the rest."""

from __future__ import annotations

import base64
import html
import io
import json
import re
import subprocess
import sys
import tracemalloc
from collections import Counter, defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from ssa_client._smallest import Smallest
from ssa_client.conversions import encode_mask
from ssa_client.formats.stored import read_document, read_stored
from ssa_client.review.exhibits import make_exhibits
from ssa_client.review.page import class_rows
from ssa_client.review.pictures import draw_crop
from ssa_client.review.survey import BINS, Survey, survey
from tests.unit.client.archives import write_tar
from tests.unit.client.command import Outcome
from tests.unit.client.review_job import HEIGHT, NAMES, SHA256, WIDTH, ReviewJob, review_job
from tests.unit.client.stored_results import Results, closed_set_results


@pytest.fixture
def job(tmp_path: Path) -> ReviewJob:
    return review_job(tmp_path)


def page_of(job: ReviewJob, *options: object, exit_code: int = 0) -> str:
    done = Outcome("report", job.folder, *options)
    assert done.exit_code == exit_code, done.output
    return (job.folder / "_report.html").read_text("utf-8")


def shown(text: str) -> str:
    """What a reader sees of a page, roughly: without its markup, references resolved."""
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", text)).split())


def test_counts_are_those_of_the_files(job: ReviewJob) -> None:
    found = survey(job.folder, worst=4, pictures=2)
    annotations = job.annotations()
    assert (found.images, found.masks) == (5, 35) == (len(job.documents()), len(annotations))
    assert found.pixels == 5 * HEIGHT * WIDTH
    rows = {row.name: row for row in class_rows(found)}
    by_name = defaultdict(list)
    for annotation in annotations:
        by_name[annotation["class_name"]].append(annotation)
    assert set(rows) == set(by_name) == set(NAMES)
    for name, group in by_name.items():
        assert rows[name].masks == len(group)
        visible = sum(a["visible_area"] for a in group)
        assert rows[name].share == pytest.approx(visible / found.pixels, abs=1e-12)
        mean = np.mean([a["confidence"] for a in group])
        assert rows[name].confidence == pytest.approx(mean, abs=1e-9)
    expected, _ = np.histogram([a["confidence"] for a in annotations], BINS, (0, 1))
    assert found.histogram == expected.tolist()


def test_the_most_doubtful_come_first(job: ReviewJob) -> None:
    exhibits = make_exhibits(job.folder, str(job.images), survey(job.folder, worst=9, pictures=0))
    confidences = sorted(a["confidence"] for a in job.annotations())
    assert [mask.confidence for mask in exhibits.doubtful] == confidences[:9]
    for mask in exhibits.doubtful:
        document = job.documents()[f"{Path(mask.file_name).stem}_semantic.json"]
        annotation = document["annotations"][mask.number - 1]
        assert annotation["class_name"] == mask.class_name
        assert annotation["area"] == mask.area
        assert annotation["caption"] == mask.evidence.caption
    assert exhibits.overviews == []


def test_equally_doubtful_masks_come_largest_first(tmp_path: Path) -> None:
    results = closed_set_results(tmp_path)
    found = survey(results.folder, worst=5, pictures=0)
    masks = make_exhibits(results.folder, str(results.images), found).doubtful
    zero = [a["area"] for a in _closed_set_annotations(results) if a["vote_share"] == 0]
    assert [mask.area for mask in masks[: len(zero)]] == sorted(zero, reverse=True)
    assert {mask.confidence for mask in masks[: len(zero)]} == {0.0}


def _closed_set_annotations(results: Results) -> list[dict[str, Any]]:
    files = results.folder.glob("*_semantic.json")
    return [a for file in files for a in json.loads(file.read_bytes())["annotations"]]


def test_nothing_depends_on_the_order_of_files(job: ReviewJob) -> None:
    found = []
    for order in (1, -1):
        one = Survey.empty(3, 2)
        for name in sorted(job.documents())[::order]:
            one.add(read_document(job.folder / name))
        found.append(one)
    forth, back = found
    assert [*forth.doubtful] == [*back.doubtful]
    assert [*forth.sample] == [*back.sample]
    assert class_rows(forth) == class_rows(back)
    assert forth.histogram == back.histogram


def test_the_same_job_gives_the_same_bytes(job: ReviewJob) -> None:
    assert page_of(job) == page_of(job)


def test_smallest_keeps_what_sorting_would() -> None:
    random = np.random.default_rng(3)
    keys = [tuple(key) for key in random.integers(0, 30, (400, 2)).tolist()]
    for count in (0, 1, 7, 500):
        kept = Smallest[tuple[int, ...]](count)
        for key in keys:
            kept.add(key, key)
        assert list(kept) == sorted(keys)[:count]


def test_memory_does_not_grow_with_the_job(tmp_path: Path) -> None:
    peaks = []
    for count in (100, 1500):
        job = review_job(tmp_path / str(count), images=1, masks=7)
        (document,) = job.documents().values()
        for number in range(count):
            document["image"]["file_name"] = f"{number}.png"
            (job.folder / f"{number}_semantic.json").write_text(json.dumps(document))
        tracemalloc.start()
        survey(job.folder, worst=20, pictures=5)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.2 * peaks[0]


def test_the_page_says_what_the_job_was(job: ReviewJob) -> None:
    seen = shown(page_of(job))
    for text in (
        *(f"images {job.images}", "pipeline ssa_engine", "settings asked for box_nms_thresh=0.5"),
        *(f"clip {SHA256[:12]}", "points_per_side 32", "triton <2.51>", "clip_text onnxruntime"),
        *("<gone>.png IMAGE is <b>damaged</b>.", "5 images done", "1 images failed"),
        *("COCO votes car 12.5%", "ADE20K votes van 25.0%", "predicted IoU 87.5%"),
    ):
        assert text.lower() in seen.lower() or _reversed(text).lower() in seen.lower(), text
    assert SHA256 not in seen


def _reversed(text: str) -> str:
    """A number's caption stands before it in the source."""
    number, _, rest = text.partition(" ")
    return f"{rest} {number}"


def test_no_text_becomes_markup(job: ReviewJob) -> None:
    text = page_of(job)
    # The page's own script, at its end, is the only one.
    assert text.count("<script") == 1
    assert "<img src=x" not in text
    assert "<b>" not in text
    for name in NAMES:
        assert html.escape(name).replace("&#x27;", "&#39;").replace("&quot;", "&#34;") in text
    seen = shown(text)
    assert "caption </script> of дорога" in seen


def test_the_page_needs_nothing_else(job: ReviewJob) -> None:
    text = page_of(job, "--worst", 3, "--pictures", 2)
    sources = re.findall(r'\bsrc="(.*?)"', text)
    assert len(sources) == 3 + 2
    for source in sources:
        kind, data = source.split(",")
        assert kind == "data:image/jpeg;base64"
        with Image.open(io.BytesIO(base64.b64decode(data))) as picture:
            picture.load()
    assert not re.search(r"https?:|@import|url\(|<link|@font-face", text)
    assert "default-src 'none'" in text
    assert len(re.findall(r'<li class="card"', text)) == 3


def test_a_crop_shows_the_mask_as_it_is_and_darkens_the_rest(job: ReviewJob) -> None:
    name = next(iter(job.documents()))
    mask = max(read_stored(job.folder / name).masks, key=lambda mask: mask.area)
    gray = Image.new("RGB", (WIDTH, HEIGHT), (100, 100, 100))
    crop = np.asarray(draw_crop(gray, mask))
    assert crop.shape[0] <= 240
    assert crop.shape[1] <= 320
    levels = Counter(map(tuple, crop.reshape(-1, 3).tolist()))
    assert levels[100, 100, 100] > 500
    assert levels[60, 60, 60] > 500
    # Yellow lines around it, and nothing else but their edges.
    assert ((crop[..., 0] > 180) & (crop[..., 2] < 60)).sum() > 50


def test_the_closed_set_has_a_report_too(tmp_path: Path) -> None:
    results = closed_set_results(tmp_path)
    out = tmp_path / "page" / "closed.html"
    done = Outcome("report", results.folder, "--images", results.images, "--out", out)
    assert done.exit_code == 0, done.output
    assert f"3 images, {results.count} masks: {out}" in done.output
    text = out.read_text("utf-8")
    rows = re.findall(r'<tr><th scope="row"><bdi>(.*?)</bdi></th>\s*<td data-value="(\d+)"', text)
    names = Counter(name for group in results.class_names.values() for name in group)
    assert {html.unescape(name): int(count) for name, count in rows} == names
    assert "have no _job.json" in shown(text)
    assert "No picture" not in text


def test_results_of_no_job_need_the_folder_of_images(tmp_path: Path) -> None:
    results = closed_set_results(tmp_path)
    done = Outcome("report", results.folder)
    assert done.exit_code == 0
    assert "23 pictures are missing; the page has every reason" in done.output
    assert "name the place with --images" in (results.folder / "_report.html").read_text()


def test_a_vanished_image_is_a_note(job: ReviewJob) -> None:
    gone, changed, damaged, *_ = sorted(job.images.iterdir())
    gone.unlink()
    Image.new("RGB", (8, 6)).save(changed)
    damaged.write_bytes(damaged.read_bytes()[:200])
    done = Outcome("report", job.folder)
    assert done.exit_code == 0
    assert f"{3 * (7 + 1)} pictures are missing" in done.output
    seen = shown((job.folder / "_report.html").read_text("utf-8"))
    assert f"No picture: there is no such image in '{job.images}'." in seen
    assert "No picture: it is 8x6 now; its results are of an image of 140x90." in seen
    assert "No picture: cannot decode the image" in seen


def test_images_in_archives(job: ReviewJob, tmp_path: Path) -> None:
    expected = page_of(job)
    first, second, *others = sorted(job.images.iterdir())
    shards = tmp_path / "shards"
    shards.mkdir()
    write_tar(shards / "0.tar", {f"deep/{first.name}": first.read_bytes()})
    # What has the name of an image before it is not what was labelled.
    twin = {f"a/{first.name}": b"another", second.name: second.read_bytes()}
    write_tar(shards / "1.tar", {**twin, **{file.name: file.read_bytes() for file in others}})
    assert page_of(job, "--images", shards) == expected


def test_images_may_be_at_a_url(job: ReviewJob) -> None:
    assert page_of(job, "--images", job.images.as_uri()) == page_of(job)


@pytest.mark.parametrize(
    ("place", "reason"),
    [
        ("nowhere", "cannot read 'nowhere': No such file or directory."),
        ("nowhere://a/b", "cannot read 'nowhere://a/b': Protocol not known: nowhere."),
        ("gs://a/b", "reading 'gs://a/b' needs the extra 'cloud' (Please install gcsfs"),
    ],
)
def test_images_that_cannot_be_looked_for_are_notes(
    job: ReviewJob, place: str, reason: str
) -> None:
    done = Outcome("report", job.folder, "--images", place)
    assert done.exit_code == 0
    assert (
        f"40 pictures are missing; the page has every reason, the first is: {reason}" in done.output
    )
    seen = shown((job.folder / "_report.html").read_text("utf-8"))
    assert seen.count(f"No picture: {reason}") == 40


def test_a_mask_that_cannot_be_drawn_is_a_note(job: ReviewJob) -> None:
    name, document = next(iter(job.documents().items()))
    document["annotations"][2]["segmentation"]["counts"] = "~"
    document["annotations"][3]["segmentation"] = encode_mask(np.zeros((HEIGHT, WIDTH), np.bool_))
    (job.folder / name).write_text(json.dumps(document))
    text = shown(page_of(job))
    assert "No picture: annotations[2]: RLE counts" in text
    assert "No picture: annotations[3] has no pixel in its runs." in text


def mask(document: dict[str, Any]) -> dict[str, Any]:
    entry: dict[str, Any] = document["annotations"][1]
    return entry


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda _: '{"image": ', "is no JSON"),
        (lambda d: d.pop("annotations"), "the file has no annotations"),
        (lambda d: mask(d).pop("visible_area"), "annotations[1] has no visible_area"),
        (lambda d: mask(d).update(visible_area=9**9), "annotations[1] has the area"),
        (
            lambda d: mask(d).update(confidence=float("nan")),
            "annotations[1] has the confidence nan",
        ),
        (lambda d: mask(d).update(class_name=""), "annotations[1] has the class_name ''"),
    ],
)
def test_a_broken_file_is_left_out_and_listed(
    job: ReviewJob, spoil: Callable[[dict[str, Any]], object], reason: str
) -> None:
    name, document = next(iter(job.documents().items()))
    text = spoil(document)
    (job.folder / name).write_text(text if isinstance(text, str) else json.dumps(document))
    done = Outcome("report", job.folder)
    assert done.exit_code == 1
    assert "1 failed" in done.output
    assert "4 images, 28 masks" in done.output
    seen = shown((job.folder / "_report.html").read_text("utf-8"))
    assert "cannot be read and are left out: 1" in seen
    assert f"{name} {reason}" in seen


def test_masks_without_a_pixel_are_left_out(tmp_path: Path) -> None:
    job = review_job(tmp_path, images=1, masks=3)
    name, document = next(iter(job.documents().items()))
    mask(document).update(area=0, visible_area=0)
    (job.folder / name).write_text(json.dumps(document))
    found = survey(job.folder, worst=9, pictures=0)
    assert (found.masks, found.empty_masks, len(found.doubtful)) == (2, 1, 2)


@pytest.mark.parametrize("content", ["[]", "{", '{"format": 2}', '{"format": 1, "request": 3}'])
def test_a_broken_manifest_is_said(job: ReviewJob, content: str) -> None:
    (job.folder / "_job.json").write_text(content)
    done = Outcome("report", job.folder)
    assert done.exit_code == 1
    assert "_job.json' does not describe a job" in done.output
    assert "--out" not in done.output


def test_a_manifest_of_odd_parts_is_said(job: ReviewJob) -> None:
    manifest = json.loads((job.folder / "_job.json").read_bytes())
    (job.folder / "_job.json").write_text(json.dumps({**manifest, "settings": []}))
    done = Outcome("report", job.folder)
    assert done.exit_code == 1
    assert "expected objects in it" in done.output


def test_a_folder_without_results_is_said(tmp_path: Path) -> None:
    done = Outcome("report", tmp_path / "none")
    assert done.exit_code == 1
    assert f"there is no folder '{tmp_path / 'none'}'" in done.output
    done = Outcome("report", tmp_path)
    assert done.exit_code == 1
    assert "has no results; expected the NAME_semantic.json files" in done.output
    assert list(tmp_path.iterdir()) == []


def test_a_page_that_cannot_be_written_is_said(job: ReviewJob) -> None:
    (job.folder / "file").write_text("")
    done = Outcome("report", job.folder, "--out", job.folder / "file" / "page.html")
    assert done.exit_code == 1
    assert "cannot write" in done.output


def test_a_file_name_that_is_not_utf_8(tmp_path: Path) -> None:
    job = review_job(tmp_path, images=1, masks=1)
    (document,) = job.documents().values()
    document["image"]["file_name"] = "\udce9t\udce9.png"
    (job.folder / "\udce9t\udce9_semantic.json").write_text(json.dumps(document))
    assert "\\udce9t\\udce9.png" in page_of(job)


@pytest.mark.parametrize(
    "arguments",
    [
        ["report", "JOB"],
        ["evaluate", "--dataset", "custom", "--images", "JOB", "--page", "page.html"],
    ],
)
def test_pages_need_their_extra_and_say_so_first(job: ReviewJob, arguments: list[str]) -> None:
    given = [argument.replace("JOB", str(job.folder)) for argument in arguments]
    code = (
        f"import sys; sys.modules['jinja2'] = None\nfrom ssa_client.cli import app; app({given!r})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 2
    assert "ssa-triton[report]" in done.stderr
    assert not (job.folder / "_report.html").exists()
