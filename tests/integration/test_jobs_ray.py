"""`ssa annotate --engine ray`: the files of the local engine, whichever workers are killed."""

from __future__ import annotations

import importlib.util
import json
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from ssa_backend.embedded.server import EmbeddedServer
from ssa_client.jobs.addresses import open_storage
from ssa_client.jobs.failures import read_failures
from ssa_export.scenes import write_scenes
from tests.images import SIZE_HW
from tests.integration.job_server import SIDE
from tests.integration.test_jobs import (
    COMMAND,
    IN_HAND,
    Annotate,
    fake_server,
    results,
    write_noise,
)

RAY = ("--engine", "ray", "--ray-address", "local", "--workers", "2")
pytestmark = [
    pytest.mark.timeout(600),
    pytest.mark.skipif(
        importlib.util.find_spec("ray") is None, reason="ray is not installed (extra 'ray')"
    ),
]


def workers_of(running: subprocess.Popen[str]) -> list[psutil.Process]:
    """The processes of Ray's that do images."""
    found = []
    for process in psutil.Process(running.pid).children(recursive=True):
        try:
            if process.cmdline()[:1] and process.cmdline()[0].startswith("ray::MapWorker"):
                found.append(process)
        except psutil.NoSuchProcess:
            continue
    return found


def kill_workers(job: Annotate, running: subprocess.Popen[str], moments: list[int]) -> None:
    """Kill one (-9) each time that so many images are done."""
    for moment in moments:
        alive: list[psutil.Process] = []
        # Ray may still be starting another in place of the last that was killed.
        while job.done() < moment or not alive:
            assert running.poll() is None, running.communicate()[0]
            time.sleep(0.005)
            alive = [w for w in workers_of(running) if w.status() != psutil.STATUS_ZOMBIE]
        alive[0].kill()


@pytest.mark.parametrize(
    ("count", "moments", "options"),
    [
        pytest.param(240, [40], (), id="one worker of two"),
        pytest.param(
            *(1000, [50, 300, 301, 800], ("--save-img",)), id="many", marks=pytest.mark.full
        ),
    ],
)
def test_killed_workers_change_nothing(
    tmp_path: Path, count: int, moments: list[int], options: tuple[str, ...]
) -> None:
    images = tmp_path / "images"
    write_noise(images, count)
    with fake_server(tmp_path / "calm.log") as other, fake_server(tmp_path / "fire.log") as server:
        job = Annotate(images, tmp_path / "ray", f"127.0.0.1:{server.port}", (*RAY, *options))
        running = job.start()
        calm = Annotate(images, tmp_path / "local", f"127.0.0.1:{other.port}", options)
        calm.finish(calm.start())
        kill_workers(job, running, moments)
        output = job.finish(running)
        asked = server.requests()

    assert f"{count} annotated, {count} masks, in {job.out}" in output
    assert "were done before" not in output
    assert results(job.out) == results(calm.out)
    assert (job.out / "_job.json").read_bytes() == (calm.out / "_job.json").read_bytes()
    assert len(asked) == count
    redone = asked.total() - count
    print(f"{len(moments)} workers killed: {redone} of {count} images asked again")
    assert redone <= len(moments) * IN_HAND


@pytest.mark.full
def test_two_workers_and_two_real_servers_give_what_one_process_gives(
    repository: Path, server: EmbeddedServer, tmp_path: Path
) -> None:
    list(write_scenes("sa1b", tmp_path / "scenes", 92, 12, SIZE_HW))
    options = ("--masks", "sa1b", "--save-img")
    local = Annotate(tmp_path / "scenes", tmp_path / "local", server.grpc_url, options)
    local.finish(local.start())
    with EmbeddedServer(repository, http_port=0, grpc_port=0, metrics_port=0) as second:
        both = (*options, "--url", second.grpc_url)
        two = Annotate(tmp_path / "scenes", tmp_path / "two", server.grpc_url, both)
        two.finish(two.start())
        on_ray = Annotate(tmp_path / "scenes", tmp_path / "ray", server.grpc_url, (*both, *RAY))
        output = on_ray.finish(on_ray.start())
    assert "12 annotated" in output
    assert len(results(local.out)) == 24
    assert results(local.out) == results(two.out) == results(on_ray.out)


@pytest.mark.full
def test_from_s3_to_s3_on_ray(bucket: str, tmp_path: Path) -> None:
    images = tmp_path / "images"
    write_noise(images, 60)
    storage = open_storage(f"{bucket}/images")
    for path in images.iterdir():
        storage.write(path.name, path.read_bytes())
    with fake_server(tmp_path / "log") as server:
        url = f"127.0.0.1:{server.port}"
        local = Annotate(images, tmp_path / "local", url)
        local.finish(local.start())
        command = [*COMMAND, str(storage), "--out", f"{bucket}/out", "--url", url, *RAY]
        subprocess.run(command, check=True)
    out = open_storage(f"{bucket}/out")
    assert {n: out.read(n) for n in out.names() if n != "_job.json"} == results(local.out)


@pytest.mark.full
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_with_a_summary(tmp_path: Path, number: signal.Signals) -> None:
    images = tmp_path / "images"
    write_noise(images, 3000)
    with fake_server(tmp_path / "log") as server:
        job = Annotate(images, tmp_path / "out", f"127.0.0.1:{server.port}", RAY)
        running = job.start()
        while job.done() < 100:
            assert running.poll() is None, running.communicate()[0]
            time.sleep(0.01)
        running.send_signal(number)
        output, _ = running.communicate(timeout=60)
        assert running.returncode == 130, output
        done = job.done()
        assert f"{done} annotated, {done} masks" in output
        assert f"Interrupted. Images left: {3000 - done}." in output
        assert f"{3000 - done} annotated" in job.finish(job.start())
    assert len(results(job.out)) == 3000


@pytest.mark.full
def test_failures_are_counted_by_the_driver(tmp_path: Path) -> None:
    images = tmp_path / "images"
    write_noise(images, 40)
    masks_of_each = json.dumps([{"segmentation": {"size": [SIDE, SIDE], "counts": "0P4P4"}}])
    for number in range(20):
        (images / f"{number:04}.json").write_text(masks_of_each if number else "{broken")
    with fake_server(tmp_path / "log") as server:
        url = f"127.0.0.1:{server.port}"
        masks = ("--masks", "sa1b")
        local = Annotate(images, tmp_path / "local", url, masks).start()
        output, _ = local.communicate()
        job = Annotate(images, tmp_path / "ray", url, (*masks, *RAY))
        on_ray = job.start()
        ray_output, _ = on_ray.communicate()
        assert on_ray.returncode == local.returncode == 1
        assert "19 annotated, 19 masks" in ray_output
        assert "21 failed" in ray_output
        failures = [read_failures(tmp_path / out / "_failures.jsonl") for out in ("local", "ray")]
        assert failures[0] == failures[1]
        assert len(failures[0]) == 21
        again = Annotate(images, tmp_path / "few", url, (*masks, *RAY, "--max-failures", "3"))
        running = again.start()
        output, _ = running.communicate()
    assert running.returncode == 1
    assert "images failed, as many as --max-failures allows." in output


@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("127.0.0.1:1", "no Ray cluster answers at '127.0.0.1:1' ([Errno 111] Connection refused)"),
        ("nowhere", "no Ray cluster answers at 'nowhere' (expected host:port, 'auto' or 'local')"),
    ],
)
@pytest.mark.full
def test_a_cluster_that_is_not_there_is_told(tmp_path: Path, address: str, why: str) -> None:
    write_noise(tmp_path / "images", 2)
    with fake_server(tmp_path / "log") as server:
        options = ("--engine", "ray", "--ray-address", address)
        url = f"127.0.0.1:{server.port}"
        running = Annotate(tmp_path / "images", tmp_path / "out", url, options).start()
        output, _ = running.communicate(timeout=60)
    assert running.returncode == 1
    assert why in " ".join(output.split())
    assert "Images left: 2." in output


@pytest.fixture
def _own_sigterm() -> Iterator[None]:
    """Ray's handler would end whatever test runs when this process is told to stop."""
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


@pytest.mark.full
@pytest.mark.usefixtures("_own_sigterm")
@pytest.mark.filterwarnings("ignore::DeprecationWarning:ray", "ignore::ResourceWarning")
def test_a_cluster_may_lose_a_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    from ray.cluster_utils import Cluster

    images = tmp_path / "images"
    write_noise(images, 1000)
    machine = {"num_cpus": 1, "object_store_memory": 100 * 2**20}
    cluster = Cluster(initialize_head=True, head_node_args={**machine, "include_dashboard": False})
    try:
        lost = cluster.add_node(**machine)
        monkeypatch.setenv("RAY_ADDRESS", cluster.address)
        with fake_server(tmp_path / "log") as server:
            url = f"127.0.0.1:{server.port}"
            local = Annotate(images, tmp_path / "local", url)
            local.finish(local.start())
            job = Annotate(images, tmp_path / "ray", url, ("--engine", "ray"))
            running = job.start()
            while job.done() < 100:
                assert running.poll() is None, running.communicate()[0]
                time.sleep(0.01)
            cluster.remove_node(lost, allow_graceful=False)
            cluster.add_node(**machine)
            output = job.finish(running)
    finally:
        cluster.shutdown()
    assert f"1000 annotated, 1000 masks, in {job.out}" in output
    assert results(job.out) == results(local.out)
