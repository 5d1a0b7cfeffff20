"""Several servers work on one job, if they are the same; what Ray needs is asked for plainly."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from grpc import StatusCode

from tests.unit.client.command import Outcome
from tests.unit.client.fake_triton import FakeTriton, Tensors, serving
from tests.unit.client.job_results import ALL, results

pytestmark = pytest.mark.usefixtures("quick_jobs")


@pytest.fixture
def second(engine_tensors: Tensors) -> Iterator[FakeTriton]:
    with serving(FakeTriton(engine_tensors)) as server:
        yield server
    assert server.complaints == []


def test_two_servers_share_the_work(
    engine: FakeTriton, second: FakeTriton, annotate: Callable[..., Outcome], out: Path
) -> None:
    engine.script = [0.3] * 6
    second.script = [0.3] * 6
    done = annotate("--url", second.url, "--url", engine.url, "--concurrency", 2)
    assert done.exit_code == 0, done.output
    assert results(out).keys() == ALL
    assert len(engine.requests) + len(second.requests) == 6
    for server in (engine, second):
        assert server.most_at_once == 2


def test_servers_that_differ_are_refused(
    engine: FakeTriton, second: FakeTriton, annotate: Callable[..., Outcome], out: Path
) -> None:
    second.settings["sam"]["sha256"] = "77"
    done = annotate("--url", second.url)
    assert done.exit_code == 1
    assert f"{engine.url} and {second.url} are not the same:" in done.output
    assert 'settings.sam.sha256 was "5a", is "77"' in done.output
    assert engine.requests == second.requests == []
    assert results(out) == {}


def test_an_outage_of_one_server_names_it(
    engine: FakeTriton, second: FakeTriton, annotate: Callable[..., Outcome], out: Path
) -> None:
    engine.script = [0.2] * 6  # the other one gets its share
    second.script = [(StatusCode.UNAVAILABLE, "stopping")]
    done = annotate("--url", second.url, "--concurrency", 1)
    assert done.exit_code == 0, done.output
    assert f"Waiting for the server at {second.url} (stopping)." in done.output
    assert results(out).keys() == ALL


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (["--workers", "2"], "--workers: it goes with --engine ray."),
        (["--ray-address", "local"], "--ray-address: it goes with --engine ray."),
        (["--engine", "spark"], "'spark' is not"),
        (["--engine", "ray", "--workers", "0"], "--workers"),
        (["--url", "127.0.0.1:1", "--url", "http://b:1"], "not host:port"),
    ],
)
def test_a_wrong_option_is_a_usage_error(
    annotate: Callable[..., Outcome], options: list[str], why: str
) -> None:
    done = annotate(*options)
    assert done.exit_code == 2
    assert why in done.output


def test_without_ray_its_extra_is_named(
    annotate: Callable[..., Outcome], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    monkeypatch.delitem(sys.modules, "ssa_client.jobs.ray_engine", raising=False)
    done = annotate("--engine", "ray")
    assert done.exit_code == 2
    assert "this needs the 'ray' extra: pip install 'ssa-triton[ray]'" in done.output
