"""`ssa bench` against a server that answers, and counts, over real gRPC."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
from grpc import StatusCode
from PIL import Image

from ssa_backend import specs
from ssa_client import __version__
from tests.unit.client import command
from tests.unit.client.described_triton import DescribedTriton
from tests.unit.client.fake_triton import Tensors

HEIGHT, WIDTH = 60, 80
BROKEN = (StatusCode.INTERNAL, "out of memory")


@pytest.fixture(autouse=True)
def _wide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "300")


class Outcome(command.Outcome):
    """A run of `ssa bench`, and its report where it wrote one."""

    def __init__(self, report: Path, *arguments: object) -> None:
        super().__init__("bench", *arguments, "--report", report)
        self.report: Any = json.loads(report.read_text("utf-8")) if report.exists() else None


def test_what_is_measured_and_what_is_kept(
    described: DescribedTriton, photos: Path, tmp_path: Path
) -> None:
    described.script = [0.02] * 20
    plot = tmp_path / "out/bench.png"
    done = Outcome(
        tmp_path / "out/bench.json",
        *(photos, "--url", described.url, "--concurrency", "1,4", "--requests", 8),
        *("--warm-up", 1, "--set", "points_per_side=16", "--plot", plot),
    )
    assert done.exit_code == 0, done.output
    for text in ("requests/s", "p99", "transport", "4 under way", "└ sam_mask_decoder 2 "):
        assert text in done.output
    assert len(described.requests) == 2 * (8 + 1)
    assert 1 < described.most_at_once <= 4
    assert described.requests[-1].parameters["points_per_side"].string_param == "16"
    with Image.open(plot) as picture:
        assert picture.format == "PNG"
        assert min(picture.size) > 400

    report = done.report
    assert report["conditions"] == {
        "settings": {"points_per_side": "16"},
        "concurrency": [1, 4],
        "requests": 8,
        "warm_up": 1,
        "timeout_s": 300.0,
    }
    size = (photos / "a.jpg").stat().st_size
    assert report["images"] == [
        {"name": f"{name}.jpg", "bytes": size, "height": HEIGHT, "width": WIDTH}
        for name in "abcdef"
    ]
    server, client = report["server"], report["client"]
    assert (server["version"], server["model"], server["preset"]) == ("2.51.0", "ssa", "mini")
    assert server["settings"]["masks"]["points_per_side"] == 32
    assert (client["version"], report["stopped_by"]) == (__version__, None)
    assert client["cores"] > 0
    ended = datetime.fromisoformat(report["finished"])
    assert abs((datetime.now(timezone.utc) - ended).total_seconds()) < 100
    assert [level["concurrency"] for level in report["levels"]] == [1, 4]
    for level in report["levels"]:
        _check(level)


def _check(level: dict[str, Any]) -> None:
    """The figures of eight requests that were held for 20 ms each fit together."""
    assert (level["requests"], level["succeeded"], level["failures"]) == (8, 8, [])
    assert level["throughput_per_s"] == pytest.approx(8 / level["duration_s"])
    latency, all_ms = level["latency_ms"], level["latencies_ms"]
    assert latency["mean"] == pytest.approx(sum(all_ms) / 8)
    assert min(all_ms) >= 20
    assert latency["p50"] == pytest.approx(sorted(all_ms)[3])
    assert latency["p90"] == latency["p95"] == latency["p99"] == max(all_ms)
    pipeline = level["pipeline"]
    assert pipeline["requests"] == 8
    assert pipeline["total_ms"] >= 20
    assert level["transport_ms"] == pytest.approx(latency["mean"] - pipeline["total_ms"])
    assert level["transport_ms"] > 0
    models = [(its["model"], its["called_by"], its["calls"]) for its in pipeline["models"]]
    assert models == [
        ("semantic_voting", None, 1),
        ("mask_generation", None, 1),
        ("sam_mask_decoder", "mask_generation", 2),
        ("semantic_segmenter", None, 1),
        ("sam_image_encoder", None, 1),
        ("preprocess", None, 1),
    ]
    assert [its["total_ms"] for its in pipeline["models"]] == [5, 4, 1, 3, 2, 1]
    assert pipeline["models"][0]["compute_infer_ms"] == 3.5
    assert pipeline["models"][0]["queue_ms"] == 0.5


def test_the_engine_is_asked_as_the_engine(
    described: DescribedTriton, engine_tensors: Tensors, photos: Path, tmp_path: Path
) -> None:
    described.tensors = engine_tensors
    done = Outcome(
        tmp_path / "bench.json",
        *(photos / "a.jpg", "--model", "ssa_engine", "--url", described.url),
        *("--concurrency", 2, "--requests", 3),
    )
    assert done.exit_code == 0, done.output
    assert {request.model_name for request in described.requests} == {"ssa_engine"}
    models = done.report["levels"][0]["pipeline"]["models"]
    assert len(models) == len(specs.SSA_ENGINE.models)
    assert "└ clipseg_decoder" in done.output


def test_failed_requests_are_counted_and_the_first_is_shown(
    described: DescribedTriton, photos: Path, tmp_path: Path
) -> None:
    described.script = [0.0, 0.0, BROKEN, (StatusCode.UNAVAILABLE, "too many [requests]")]
    done = Outcome(
        tmp_path / "bench.json",
        *(photos, "--url", described.url, "--concurrency", 1, "--requests", 5, "--warm-up", 1),
    )
    assert done.exit_code == 1
    text = "1 under way: 2 of 5 requests failed, and are in no latency. The first, b.jpg:"
    assert f"{text} out of memory [INTERNAL]" in done.output
    (level,) = done.report["levels"]
    assert (level["requests"], level["succeeded"]) == (5, 3)
    assert len(level["latencies_ms"]) == level["pipeline"]["requests"] == 3
    assert level["failures"] == [
        {"image": "b.jpg", "reason": "out of memory [INTERNAL]"},
        {"image": "c.jpg", "reason": "too many [requests]"},
    ]
    # Nothing was sent a second time.
    assert len(described.requests) == 1 + 5


def test_where_nothing_succeeds_no_more_is_sent(
    described: DescribedTriton, photos: Path, tmp_path: Path
) -> None:
    described.script = [0.0, 0.0, *[BROKEN] * 100]
    plot = tmp_path / "bench.png"
    done = Outcome(
        tmp_path / "bench.json",
        *(photos, "--url", described.url, "--requests", 8, "--plot", plot),
    )
    assert done.exit_code == 1
    assert "8 of 8 requests failed" in done.output
    assert "ssa bench: no request succeeded with 1 under way." in done.output
    assert done.report["stopped_by"] == "no request succeeded with 1 under way."
    (level,) = done.report["levels"]
    assert (level["succeeded"], level["throughput_per_s"]) == (0, 0)
    assert level["latency_ms"] is level["pipeline"] is level["transport_ms"] is None
    assert len(described.requests) == 2 + 8
    assert not plot.exists()


def test_a_failed_warm_up_ends_it_and_what_was_measured_is_kept(
    described: DescribedTriton, photos: Path, tmp_path: Path
) -> None:
    described.script = [0.0, 0.0, 0.0, (StatusCode.INVALID_ARGUMENT, "IMAGE is [damaged].")]
    done = Outcome(
        tmp_path / "bench.json",
        *(photos, "--url", described.url, "--concurrency", "1,2", "--requests", 2),
        *("--warm-up", 1),
    )
    assert done.exit_code == 1
    assert "ssa bench: a.jpg: IMAGE is [damaged]." in done.output
    assert done.report["stopped_by"] == "a.jpg: IMAGE is [damaged]."
    assert [level["succeeded"] for level in done.report["levels"]] == [2]


def test_requests_of_others_are_noticed(
    described: DescribedTriton, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    count = described._count

    def count_two(ensemble: specs.Ensemble, duration_ns: int) -> None:
        count(ensemble, duration_ns)
        count(ensemble, duration_ns)

    monkeypatch.setattr(described, "_count", count_two)
    done = Outcome(
        tmp_path / "bench.json",
        *(photos, "--url", described.url, "--concurrency", 1, "--requests", 4),
    )
    assert done.exit_code == 0, done.output
    assert "the server answered 4 requests more than came back here" in done.output
    assert done.report["levels"][0]["pipeline"]["requests"] == 8


def test_a_server_that_is_not_there(photos: Path, tmp_path: Path) -> None:
    done = Outcome(tmp_path / "bench.json", photos, "--url", "127.0.0.1:9")
    assert done.exit_code == 1
    assert "No server is ready at 127.0.0.1:9: start one with `ssa serve`" in done.output
    assert done.report is None


def test_an_image_that_is_not_there(described: DescribedTriton, tmp_path: Path) -> None:
    done = Outcome(tmp_path / "bench.json", tmp_path / "no.jpg", "--url", described.url)
    assert done.exit_code == 1
    assert "ssa bench: cannot read image" in done.output
    empty = Outcome(tmp_path / "bench.json", tmp_path, "--url", described.url)
    assert empty.exit_code == 2
    assert "has no images" in empty.output
    assert described.requests == []


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (("--concurrency", "1,x"), "'1,x' is not of different numbers from 1"),
        (("--concurrency", "0"), "'0' is not of different numbers from 1"),
        (("--concurrency", "2,2"), "'2,2' is not of different numbers from 1"),
        (("--concurrency", "1,8", "--requests", "7"), "7 are too few for 8 to be under way"),
        (("--model", "ssa_engine_masks"), "'ssa_engine_masks' is not one of 'ssa', 'ssa_engine'"),
        (("--set", "points_per_side"), "is not NAME=VALUE"),
        (("--plot", "bench.xyz"), "'bench.xyz' does not end as a picture does"),
    ],
)
def test_what_cannot_be_measured_is_refused_first(
    described: DescribedTriton, photos: Path, options: tuple[str, ...], complaint: str
) -> None:
    done = command.Outcome("bench", photos, "--url", described.url, *options)
    assert done.exit_code == 2
    assert complaint in done.output
    assert described.requests == []


def test_a_plot_needs_its_extra_and_says_so_first(described: DescribedTriton, photos: Path) -> None:
    given = ["bench", str(photos), "--url", described.url, "--requests", "1"]
    given += ["--concurrency", "1"]

    def run(*more: str) -> subprocess.CompletedProcess[str]:
        code = "import sys; sys.modules['matplotlib'] = None\nfrom ssa_client.cli import app; "
        code += f"app({[*given, *more]!r})"
        return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)

    done = run("--plot", "bench.png")
    assert done.returncode == 2
    assert "this needs the 'bench' extra: pip install 'ssa-triton[bench]'" in done.stderr
    assert described.requests == []
    # Without a picture there is nothing to miss.
    assert run().returncode == 0
