"""`ssa annotate` while its server fails, goes away or comes back as another one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from grpc import StatusCode

from ssa_client.evaluation.server import ServerDescription, describe_server
from ssa_client.jobs import server
from ssa_client.jobs.failures import read_failures
from tests.unit.client.command import Outcome
from tests.unit.client.fake_triton import FakeTriton
from tests.unit.client.job_results import ALL, results

UNAVAILABLE = (StatusCode.UNAVAILABLE, "stopping")
INTERNAL = (StatusCode.INTERNAL, "a stub died")


@pytest.fixture(autouse=True)
def _never_long_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "LONGEST_WAIT_S", 0.02)


def comes_back_with(monkeypatch: pytest.MonkeyPatch, settings: dict[str, Any]) -> None:
    """The server, asked a second time what it is, names other settings."""
    calls: list[str] = []

    def changed(url: str, model: str) -> ServerDescription:
        calls.append(url)
        description = describe_server(url, model)
        return description if len(calls) == 1 else replace(description, settings=settings)

    monkeypatch.setattr(server, "describe_server", changed)


def test_a_server_that_comes_back_as_another_is_refused(
    engine: FakeTriton,
    annotate: Callable[..., Outcome],
    out: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    comes_back_with(monkeypatch, {"sam": {"sha256": "77"}})
    engine.script = [UNAVAILABLE]
    done = annotate("--concurrency", 1)
    assert done.exit_code == 1
    assert "the server came back as another one:" in done.output
    assert 'settings.sam.sha256 was "5a", is "77"' in done.output
    assert results(out) == {}


def test_an_answer_that_comes_during_an_outage_waits_for_its_end(
    engine: FakeTriton,
    annotate: Callable[..., Outcome],
    out: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It may be the other server's."""
    comes_back_with(monkeypatch, {})
    monkeypatch.setattr(server, "FIRST_WAIT_S", 1.0)
    monkeypatch.setattr(server, "LONGEST_WAIT_S", 1.0)
    engine.script = [UNAVAILABLE, 0.2, 0.2, 0.2]
    done = annotate("--concurrency", 4)
    assert len(engine.requests) > 1
    assert "the server came back as another one:" in done.output
    assert results(out) == {}


def test_an_outage_is_waited_for(
    engine: FakeTriton, annotate: Callable[..., Outcome], out: Path
) -> None:
    engine.script = [0.0, *[UNAVAILABLE] * 9]
    done = annotate()
    assert done.exit_code == 0, done.output
    assert done.output.count("Waiting for the server (stopping).") >= 1
    assert results(out).keys() == ALL
    assert not (out / "_failures.jsonl").exists()


def test_no_server_at_all(annotate: Callable[..., Outcome], photos: Path, out: Path) -> None:
    done = Outcome(
        "annotate", photos, "--out", out, "--url", "127.0.0.1:1", "--wait", 0.05, "--timeout", 5
    )
    assert done.exit_code == 1
    assert "Waiting for the server" in done.output
    assert "start one with `ssa serve`" in done.output
    assert not (out / "_job.json").exists()


def test_an_image_is_blamed_for_a_server_error_that_stays(
    engine: FakeTriton, annotate: Callable[..., Outcome], photos: Path, out: Path
) -> None:
    engine.script = [INTERNAL] * 3
    assert annotate("--concurrency", 1).exit_code == 0
    (out / "a_semantic.json").unlink()
    engine.script = [INTERNAL] * 4
    done = annotate()
    assert done.exit_code == 1
    assert read_failures(out / "_failures.jsonl") == {"a.jpg": "a stub died [INTERNAL]"}


def test_an_image_that_takes_the_server_down_fails_in_the_end(
    engine: FakeTriton, annotate: Callable[..., Outcome], photos: Path, out: Path
) -> None:
    for name in "bcdef":
        (photos / f"{name}.jpg").unlink()
    engine.script = [UNAVAILABLE] * 100
    done = annotate()
    assert done.exit_code == 1
    assert "the server went away 10 times while it had this image in hand" in done.output
