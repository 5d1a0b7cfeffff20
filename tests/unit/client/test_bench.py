"""What `ssa bench` is made of: percentiles, load, counters and the breakdown made of them."""

from __future__ import annotations

import itertools
import random
import threading
import time
from collections import Counter

import pytest
from tritonclient.grpc import service_pb2

from ssa_backend import specs
from ssa_client import ServerError, ServerUnavailableError, SsaClient
from ssa_client.bench.breakdown import Breakdown
from ssa_client.bench.latency import PERCENTILES, Latency, percentile
from ssa_client.bench.load import Picture, run_load
from ssa_client.bench.statistics import Counters, counted_between, read_counters
from tests.unit.client.fake_triton import FakeTriton

PICTURES = [Picture("a.jpg", b"a"), Picture("b.jpg", b"b"), Picture("c.jpg", b"c")]
SSA_STEPS = [step.model.name for step in specs.SSA.steps]


@pytest.mark.parametrize("count", [1, 2, 3, 19, 20, 21, 99, 100, 101])
def test_a_percentile_is_the_smallest_value_that_so_many_do_not_exceed(count: int) -> None:
    values = sorted(random.Random(count).choices(range(40), k=count))
    for percent in range(1, 101):
        found = percentile(values, percent)
        enough = [v for v in values if 100 * sum(w <= v for w in values) >= percent * count]
        assert found == min(enough)


def test_a_latency_in_figures() -> None:
    seconds = [n / 1000 for n in range(1, 101)]
    random.Random(3).shuffle(seconds)
    latency = Latency.of(seconds)
    assert latency.mean_ms == pytest.approx(50.5)
    assert latency.percentiles_ms == pytest.approx({50: 50, 90: 90, 95: 95, 99: 99})
    assert tuple(latency.percentiles_ms) == PERCENTILES


def test_workers_keep_so_many_under_way_and_take_the_images_in_turn() -> None:
    # No request ends before four are under way.
    four = threading.Barrier(4, timeout=60)
    sent: list[bytes] = []
    done: list[int] = []

    def ask(image: bytes) -> None:
        sent.append(image)
        time.sleep(0.01)
        four.wait()

    load = run_load(ask, PICTURES, 4, 8, lambda: done.append(1))
    assert (load.requests, len(load.latencies_s), load.failures, len(done)) == (8, 8, (), 8)
    assert Counter(sent) == {b"a": 3, b"b": 3, b"c": 2}
    assert min(load.latencies_s) >= 0.01
    assert load.throughput == pytest.approx(8 / load.duration_s)
    assert sum(load.latencies_s) / 4 <= load.duration_s


def test_no_more_are_under_way_than_workers() -> None:
    lock, under_way, most = threading.Lock(), 0, 0

    def ask(image: bytes) -> None:
        nonlocal under_way, most
        with lock:
            under_way += 1
            most = max(most, under_way)
        time.sleep(0.001)
        with lock:
            under_way -= 1

    run_load(ask, PICTURES, 2, 20)
    assert most <= 2


def test_failures_are_counted_and_in_no_latency() -> None:
    def ask(image: bytes) -> None:
        if image == b"b":
            raise ServerError("out of memory")

    load = run_load(ask, PICTURES, 2, 9)
    assert load.requests == 9
    assert len(load.latencies_s) == 6
    assert [(f.image, str(f.error)) for f in load.failures] == [("b.jpg", "out of memory")] * 3
    assert load.throughput == pytest.approx(6 / load.duration_s)


@pytest.mark.parametrize("whose", [0, 1])
def test_a_bug_in_a_worker_is_no_failed_request_and_ends_the_others(whose: int) -> None:
    numbers = itertools.count()

    def ask(image: bytes) -> None:
        if next(numbers) == whose:
            raise IndexError("a bug")
        time.sleep(0.02)

    with pytest.raises(IndexError, match="a bug"):
        run_load(ask, PICTURES, 2, 1000)
    assert next(numbers) < 1000


def test_counters_are_those_of_all_versions(triton: FakeTriton, jpeg: bytes) -> None:
    older = service_pb2.ModelStatistics(name="ssa", version="2", execution_count=5)
    older.inference_stats.success.count = 7
    older.inference_stats.success.ns = 10**15
    older.inference_stats.fail.count = 100
    triton.counted["ssa, version 2"] = older
    before = read_counters(triton.url)
    assert before["ssa"] == Counters(calls=7, executions=5, total_ns=10**15)
    with SsaClient(triton.url) as client:
        for _ in range(3):
            client.segment(jpeg)
    counted = counted_between(before, read_counters(triton.url))
    assert counted["ssa"].calls == counted["ssa"].executions == 3
    assert 0 < counted["ssa"].total_ns < 10**10
    assert counted["preprocess"] == Counters(
        *(3, 3, 3_000_000),
        queue_ns=300_000,
        compute_input_ns=300_000,
        compute_infer_ns=2_100_000,
        compute_output_ns=300_000,
    )
    assert counted["sam_mask_decoder"].calls == 6
    assert counted["captioning"] == Counters()


def test_nobody_counts_where_nobody_answers() -> None:
    with pytest.raises(ServerUnavailableError):
        read_counters("127.0.0.1:9")


@pytest.mark.parametrize("after", [{"ssa": Counters(calls=3)}, {}])
def test_a_server_that_was_started_again_is_noticed(after: dict[str, Counters]) -> None:
    with pytest.raises(ServerError, match=r"of 'ssa' began anew .* was started again"):
        counted_between({"ssa": Counters(calls=4)}, after)


def test_a_breakdown_is_per_request_and_the_longest_is_first() -> None:
    ms = 1_000_000
    counted = {
        "ssa": Counters(4, 4, 400 * ms),
        "preprocess": Counters(4, 4, 40 * ms, 4 * ms, 8 * ms, 12 * ms, 16 * ms),
        # Batches of two: each call has the whole time of its batch.
        "semantic_segmenter": Counters(4, 2, 80 * ms),
        "sam_image_encoder": Counters(6, 3, 60 * ms),
        "mask_generation": Counters(4, 4, 200 * ms),
        "sam_mask_decoder": Counters(128, 128, 160 * ms),
        "semantic_voting": Counters(4, 4, 20 * ms),
        "captioning": Counters(9, 9, 900 * ms),
    }
    breakdown = Breakdown.of("ssa", SSA_STEPS, counted)
    assert breakdown
    assert (breakdown.requests, breakdown.total_ms) == (4, 100)
    assert [(m.model, m.called_by, m.total_ms, m.calls) for m in breakdown.models] == [
        ("mask_generation", None, 50, 1),
        ("sam_mask_decoder", "mask_generation", 40, 32),
        ("semantic_segmenter", None, 20, 1),
        ("sam_image_encoder", None, 15, 1.5),
        ("preprocess", None, 10, 1),
        ("semantic_voting", None, 5, 1),
    ]
    segmenter, preprocess = breakdown.models[2], breakdown.models[4]
    assert segmenter.executions == 0.5
    parts = ("queue", "compute_input", "compute_infer", "compute_output")
    assert [getattr(preprocess, f"{part}_ms") for part in parts] == [1, 2, 3, 4]


def test_every_model_of_the_engine_has_its_place() -> None:
    steps = [step.model.name for step in specs.SSA_ENGINE.steps]
    breakdown = Breakdown.of("ssa_engine", steps, {"ssa_engine": Counters(1, 1, 1)})
    assert breakdown
    names = [its.model for its in breakdown.models]
    assert sorted(names) == sorted(model.name for model in specs.SSA_ENGINE.models)
    callers = {its.model: its.called_by for its in breakdown.models}
    assert callers["sam_image_encoder"] is None  # a step, though mask_generation calls it too
    assert callers["blip_text_decoder"] == "captioning"
    assert callers["clipseg_decoder"] == "label_decision"


def test_where_nothing_was_answered_there_is_no_breakdown() -> None:
    assert Breakdown.of("ssa", SSA_STEPS, {"preprocess": Counters(4, 4, 4)}) is None
