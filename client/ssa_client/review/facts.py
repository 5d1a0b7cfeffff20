"""What a job was, for the head of its page: from `_job.json` and `_failures.jsonl`."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from heapq import nsmallest
from pathlib import Path
from typing import Any

from ssa_client.jobs.errors import JobDiffersError
from ssa_client.jobs.failures import FAILURES_NAME, read_failures
from ssa_client.jobs.local_storage import LocalStorage
from ssa_client.jobs.manifest import MANIFEST_NAME, Manifest
from ssa_client.review.errors import ReviewError

Fact = tuple[str, str]

_LISTED_FAILURES = 100
_LISTED_CLASSES = 20
_HASH_DIGITS = 12


@dataclass(frozen=True)
class Failures:
    """How many images failed, and the first of them by name with their reasons."""

    count: int
    first: list[tuple[str, str]]


@dataclass(frozen=True)
class JobFacts:
    """What is known of a job, as names and values to show.

    `images` is the address of its images, None where nothing says so. `job` is what was asked for,
    and of which checkpoints; `models` are names and what ran them.
    """

    images: str | None
    job: list[Fact]
    mask_settings: list[Fact]
    models: list[Fact]
    made_with: list[Fact]
    failures: Failures


def read_facts(folder: Path) -> JobFacts:
    """What the job in `folder` was; hardly anything for results that no job wrote.

    Raises:
        ReviewError: a file that describes the job is broken, or cannot be read.
    """
    try:
        manifest = Manifest.read(LocalStorage(folder))
        reasons = read_failures(folder / FAILURES_NAME)
    except JobDiffersError as error:
        path = str(folder / MANIFEST_NAME)
        raise ReviewError(f"{path!r} does not describe a job ({error.__cause__}).") from error
    except OSError as error:
        raise ReviewError(f"cannot read {str(error.filename)!r}: {error.strerror}.") from error
    failures = Failures(len(reasons), nsmallest(_LISTED_FAILURES, reasons.items()))
    if manifest and not all(isinstance(part, dict) for part in _parts(manifest)):
        path = str(folder / MANIFEST_NAME)
        raise ReviewError(f"{path!r} does not describe a job (expected objects in it).")
    if manifest is None:
        return JobFacts(None, [], [], [], [], failures)
    images = manifest.request.get("images")
    return JobFacts(
        images=images if isinstance(images, str) else None,
        job=[*_request(manifest.request), *_checkpoints(manifest.settings)],
        mask_settings=_mask_settings(manifest),
        models=[
            (name, _text(values.get("backend")) if isinstance(values, Mapping) else "")
            for name, values in manifest.models.items()
        ],
        made_with=[(name, _text(version)) for name, version in manifest.made_with.items()],
        failures=failures,
    )


def _parts(manifest: Manifest) -> tuple[object, ...]:
    return manifest.request, manifest.models, manifest.settings, manifest.made_with


def _request(request: Mapping[str, Any]) -> Iterator[Fact]:
    yield "images", _text(request.get("images"))
    yield "pipeline", _text(request.get("model"))
    given = request.get("masks")
    yield "masks", f"given with the images ({_text(given)})" if given else "found by SAM"
    classes = request.get("classes")
    if isinstance(classes, list) and classes:
        names = [_text(name) for name in classes]
        more = f" and {len(names) - _LISTED_CLASSES} more" if len(names) > _LISTED_CLASSES else ""
        yield "classes asked for", ", ".join(names[:_LISTED_CLASSES]) + more
    asked = request.get("settings")
    if isinstance(asked, Mapping) and asked:
        settings = (f"{name}={_text(value)}" for name, value in sorted(asked.items()))
        yield "settings asked for", ", ".join(settings)


def _checkpoints(settings: Mapping[str, Any]) -> Iterator[Fact]:
    hashes = [
        # Not broken between the two.
        f"{part}\N{NO-BREAK SPACE}{_text(values['sha256'])[:_HASH_DIGITS]}"
        for part, values in sorted(settings.items())
        if isinstance(values, Mapping) and values.get("sha256")
    ]
    if hashes:
        yield "checkpoints, SHA-256", ", ".join(hashes)


def _mask_settings(manifest: Manifest) -> list[Fact]:
    """Those of the server; none where SAM had nothing to find."""
    served = manifest.settings.get("masks")
    if manifest.request.get("masks") or not isinstance(served, Mapping):
        return []
    return [(name, _text(value)) for name, value in served.items()]


def _text(value: object) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, float):
        return f"{value:.6g}"
    return json.dumps(value, ensure_ascii=False)
