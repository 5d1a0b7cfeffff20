"""`ssa report`'s page in a real headless Chromium, without a network."""

from __future__ import annotations

import os
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.unit.client.command import Outcome
from tests.unit.client.review_job import NAMES, ReviewJob, review_job
from tests.unit.client.stored_results import closed_set_results

playwright = pytest.importorskip("playwright.sync_api")

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
CHROMIUM = os.environ.get("SSA_CHROMIUM") or next(filter(None, map(shutil.which, _NAMES)), None)

pytestmark = pytest.mark.skipif(
    CHROMIUM is None,
    reason="no Chromium: `apt-get install chromium`, or name one with SSA_CHROMIUM.",
)
WORST = 20


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with playwright.sync_playwright() as running:
        started = running.chromium.launch(executable_path=CHROMIUM)
        yield started
        started.close()


@pytest.fixture
def open_page(browser: Any) -> Iterator[Callable[..., Any]]:
    """Opens a file; whatever the page asks for, or complains of, fails the test at its end."""
    troubles: list[str] = []
    contexts = []

    def opened(path: Path, **options: Any) -> Any:
        context = browser.new_context(offline=True, **options)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: troubles.append(message.text))
        page.on("pageerror", lambda error: troubles.append(str(error)))
        page.on("dialog", lambda dialog: troubles.append(dialog.message))
        page.on("request", lambda request: asked(request.url))
        page.goto(path.as_uri())
        return page

    def asked(url: str) -> None:
        if not url.startswith("data:"):
            requests.append(url)

    requests: list[str] = []
    yield opened
    for context in contexts:
        context.close()
    assert troubles == []
    assert len(requests) == len(contexts)  # the page itself, each time
    assert all(url.startswith("file:") for url in requests)


@pytest.fixture(scope="module")
def job(tmp_path_factory: pytest.TempPathFactory) -> ReviewJob:
    made = review_job(tmp_path_factory.mktemp("report"), images=6, masks=8)
    done = Outcome("report", made.folder, "--worst", WORST, "--pictures", 4)
    assert done.exit_code == 0, done.output
    return made


@pytest.fixture
def page(job: ReviewJob, open_page: Callable[..., Any]) -> Any:
    return open_page(job.folder / "_report.html", viewport={"width": 1400, "height": 900})


def class_table(page: Any) -> list[list[str]]:
    """The cells of the table of classes, as they are shown."""
    rows = page.locator("#class-table tbody tr").all()
    return [[cell.inner_text() for cell in row.locator("th, td").all()] for row in rows]


def visible_cards(page: Any) -> list[Any]:
    return [card for card in page.locator(".card").all() if card.is_visible()]


def test_counts_are_those_of_the_files(page: Any, job: ReviewJob) -> None:
    annotations = job.annotations()
    assert page.inner_text("#images-done") == str(len(job.documents())) == "6"
    assert page.inner_text("#images-failed") == "1"
    assert page.inner_text("#masks") == str(len(annotations)) == "48"
    expected = Counter(annotation["class_name"] for annotation in annotations)
    assert {name: int(masks) for name, masks, *_ in class_table(page)} == expected
    bars = [int(text) for text in page.locator("#histogram-table td").all_text_contents()]
    assert sum(bars) == len(annotations)
    assert bars[0] == sum(annotation["confidence"] < 0.05 for annotation in annotations)


def test_no_text_of_the_data_ran(page: Any) -> None:
    assert page.title() == "job"
    assert page.evaluate("document.scripts.length") == 1
    assert page.locator("b").count() == 0
    captions = page.locator(".caption").all_inner_texts()
    assert all("caption </script> of" in caption for caption in captions)
    assert len(captions) == WORST


def test_the_least_confident_mask_is_first(page: Any, job: ReviewJob) -> None:
    ordered = sorted(job.annotations(), key=lambda annotation: annotation["confidence"])
    cards = page.locator(".card").all()
    shown = [float(card.get_attribute("data-confidence")) for card in cards]
    assert shown == [annotation["confidence"] for annotation in ordered[:WORST]]
    first = cards[0]
    assert first.locator("h3 bdi").inner_text() == ordered[0]["class_name"]
    assert first.locator(".badge").inner_text() == f"{ordered[0]['confidence']:.1%}"
    assert ordered[0]["caption"] in first.inner_text()


def test_every_picture_is_one(page: Any) -> None:
    widths = page.evaluate(
        "Promise.all([...document.images].map(i => i.decode().then(() => i.naturalWidth)))"
    )
    assert len(widths) == WORST + 4
    assert min(widths) > 60
    assert all(image.get_attribute("alt") for image in page.locator("img").all())


def test_columns_sort(page: Any, job: ReviewJob) -> None:
    assert (before := [int(row[1]) for row in class_table(page)]) == sorted(before, reverse=True)
    page.get_by_role("button", name="masks").click()
    assert [int(row[1]) for row in class_table(page)] == sorted(before)
    page.get_by_role("button", name="mean confidence").click()
    shares = [float(row[3].rstrip("%")) for row in class_table(page)]
    assert shares == sorted(shares, reverse=True)
    sorted_by = page.locator("#class-table th[aria-sort]")
    assert sorted_by.all_inner_texts() == ["mean confidence"]
    assert sorted_by.get_attribute("aria-sort") == "descending"
    page.get_by_role("button", name="class", exact=True).click()
    names = [row[0] for row in class_table(page)]
    assert names == page.evaluate("names => names.sort((a, b) => a.localeCompare(b))", [*NAMES])


def test_the_keyboard_sorts_too(page: Any) -> None:
    page.locator("#class-table th button").nth(2).focus()
    page.keyboard.press("Enter")
    shares = [float(row[2].rstrip("%")) for row in class_table(page)]
    assert shares == sorted(shares, reverse=True)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "mean confidence"


def test_cards_are_filtered(page: Any, job: ReviewJob) -> None:
    doubtful = sorted(job.annotations(), key=lambda annotation: annotation["confidence"])[:WORST]
    name = doubtful[0]["class_name"]
    expected = [a["confidence"] for a in doubtful if a["class_name"] == name]
    page.get_by_role("combobox", name="Class", exact=True).select_option(name)
    cards = visible_cards(page)
    assert [float(card.get_attribute("data-confidence")) for card in cards] == expected
    assert 0 < len(expected) < WORST
    assert page.inner_text("#filter-status") == f"{len(expected)} of {WORST} shown"
    page.get_by_role("combobox", name="Class", exact=True).select_option("")
    page.get_by_role("searchbox", name="Search", exact=True).fill("& 3.png CAPTION")
    assert {card.locator(".where bdi").inner_text() for card in visible_cards(page)} == {
        "im<a>ge & 3.png"
    }
    page.get_by_role("searchbox", name="Search", exact=True).fill("nothing of the kind")
    assert visible_cards(page) == []
    page.get_by_role("searchbox", name="Search", exact=True).fill("")
    assert len(visible_cards(page)) == WORST


@pytest.mark.parametrize("width", [400, 1400])
def test_nothing_sticks_out(job: ReviewJob, open_page: Callable[..., Any], width: int) -> None:
    page = open_page(job.folder / "_report.html", viewport={"width": width, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") == width


def test_without_scripts_all_is_there(job: ReviewJob, open_page: Callable[..., Any]) -> None:
    page = open_page(job.folder / "_report.html", java_script_enabled=False)
    assert len(visible_cards(page)) == WORST
    assert page.locator("#filter").is_hidden()
    assert len(class_table(page)) == len(NAMES)


def test_dark_and_light(job: ReviewJob, open_page: Callable[..., Any]) -> None:
    def lightness(scheme: str) -> list[int]:
        page = open_page(job.folder / "_report.html", color_scheme=scheme)
        body = page.evaluate("(s => [s.backgroundColor, s.color])(getComputedStyle(document.body))")
        return [sum(map(int, color[4:-1].split(","))) for color in body]

    paper, ink = lightness("light")
    assert paper > ink + 400
    paper, ink = lightness("dark")
    assert ink > paper + 400


def test_the_closed_set(tmp_path: Path, open_page: Callable[..., Any]) -> None:
    results = closed_set_results(tmp_path)
    done = Outcome("report", results.folder, "--images", results.images)
    assert done.exit_code == 0, done.output
    page = open_page(results.folder / "_report.html")
    names = Counter(name for group in results.class_names.values() for name in group)
    assert {name: int(masks) for name, masks, *_ in class_table(page)} == names
    confidences = sorted(share for group in results.confidences.values() for share in group)
    shown = [card.get_attribute("data-confidence") for card in page.locator(".card").all()]
    assert [float(value) for value in shown] == confidences
