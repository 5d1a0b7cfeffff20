"""`ssa annotate` while it, and the server that it asks, are killed (-9) at random moments."""

from __future__ import annotations

import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ssa_backend.embedded.server import EmbeddedServer
from ssa_backend.specs import LABEL_DECISION
from ssa_client import SsaClient
from ssa_export.scenes import render_scene
from tests.conftest import ROOT
from tests.integration.job_server import SIDE, name_of

CONCURRENCY = 4
# Images that a killed run may have had in hand: asked about, or answered and not yet written.
IN_HAND = CONCURRENCY + 2
COMMAND = [sys.executable, "-c", "from ssa_client.cli import app; app()", "annotate"]


@dataclass(frozen=True)
class Annotate:
    """One command line, started as often as it takes."""

    images: Path
    out: Path
    url: str
    options: tuple[str, ...] = ()

    def start(self) -> subprocess.Popen[str]:
        arguments = [str(self.images), "--out", str(self.out), "--url", self.url, *self.options]
        return subprocess.Popen(
            [*COMMAND, *arguments, "--concurrency", str(CONCURRENCY), "--wait", "600"],
            cwd=ROOT,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            # What a shell runs in the background ignores interrupts, and so would its children.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )

    def finish(self, running: subprocess.Popen[str]) -> str:
        """What it printed; it must end well."""
        output, _ = running.communicate()
        assert running.returncode == 0, output
        return output

    def done(self) -> int:
        """How many annotations lie there."""
        return sum(1 for name in names_in(self.out) if name.endswith("_semantic.json"))


def names_in(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()] if folder.is_dir() else []


def results(out: Path) -> dict[str, bytes]:
    """Every file of a finished job, but for what the job notes for itself."""
    notes = {"_job.json", "_job.lock"}
    assert notes <= set(names_in(out))
    return {name: (out / name).read_bytes() for name in names_in(out) if name not in notes}


def run_under_fire(
    job: Annotate, images: int, clients: int, servers: int, kill_server: Callable[[], None]
) -> None:
    """Finish the job while this many clients and servers are killed, spread over it at random."""
    rng = random.Random(images)
    victims = ["client"] * clients + ["server"] * servers
    rng.shuffle(victims)
    moments = sorted(rng.sample(range(1, images - IN_HAND), len(victims)))
    running = job.start()
    for victim, moment in zip(victims, moments, strict=True):
        while job.done() < moment:
            assert running.poll() is None, running.communicate()[0]
            time.sleep(0.005)
        time.sleep(rng.uniform(0, 0.05))
        if victim == "server":
            kill_server()
        else:
            running.kill()
            running.communicate()
            running = job.start()
    job.finish(running)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class FakeServer:
    """`job_server` on one port, killed and started again."""

    def __init__(self, log: Path) -> None:
        self.port = free_port()
        self.log = log
        self._process = self._start()

    def _start(self) -> subprocess.Popen[bytes]:
        module = "tests.integration.job_server"
        command = [sys.executable, "-m", module, str(self.port), str(self.log)]
        return subprocess.Popen(command, cwd=ROOT)

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()
        self._process = self._start()

    def requests(self) -> Counter[str]:
        """How often each image was asked about."""
        return Counter(self.log.read_text().split())

    def end(self) -> None:
        self._process.kill()
        self._process.wait()


@contextmanager
def fake_server(log: Path) -> Iterator[FakeServer]:
    server = FakeServer(log)
    try:
        yield server
    finally:
        server.end()


def write_noise(folder: Path, count: int) -> None:
    folder.mkdir()
    rng = np.random.default_rng(5)
    for number in range(count):
        pixels = rng.integers(0, 256, (SIDE, SIDE, 3), np.uint8)
        Image.fromarray(pixels).save(folder / f"{number:04}.png")


def write_scenes(folder: Path, count: int) -> None:
    """Small streets; drawing one takes longer than naming it, so each is turned into many."""
    folder.mkdir()
    for number in range(count):
        if number % 50 == 0:
            street = render_scene(71 + number, (48, 64)).image
        shifted = np.roll(street, number % 50, axis=1)
        Image.fromarray(shifted).save(folder / f"{number:04}.png")


@pytest.mark.parametrize(
    ("count", "clients", "servers", "options"),
    [
        pytest.param(200, 6, 2, (), id="200 images"),
        pytest.param(
            *(1000, 14, 6, ("--save-img",)), id="1000 images and pictures", marks=pytest.mark.full
        ),
    ],
)
def test_kills_at_random_change_nothing(
    tmp_path: Path, count: int, clients: int, servers: int, options: tuple[str, ...]
) -> None:
    images = tmp_path / "images"
    write_noise(images, count)
    with fake_server(tmp_path / "calm.log") as other, fake_server(tmp_path / "fire.log") as server:
        calm = Annotate(images, tmp_path / "calm", f"127.0.0.1:{other.port}", options)
        undisturbed = calm.start()
        job = Annotate(images, tmp_path / "fire", f"127.0.0.1:{server.port}", options)
        run_under_fire(job, count, clients, servers, server.kill)
        calm.finish(undisturbed)
        asked = server.requests()
        again = job.finish(job.start())

    assert f"0 annotated, 0 masks, in {job.out}; {count} were done before" in again
    assert server.requests() == asked
    found = results(job.out)
    kinds = ("json", "png") if options else ("json",)
    assert found.keys() == {
        f"{number:04}_semantic.{kind}" for number in range(count) for kind in kinds
    }
    assert found == results(calm.out)
    assert all(
        name_of((images / f"{number:04}.png").read_bytes()).encode()
        in found[f"{number:04}_semantic.json"]
        for number in range(count)
    )
    redone = sum(times - 1 for times in asked.values())
    print(f"{clients} clients and {servers} servers killed: {redone} of {count} images asked again")
    assert len(asked) == count
    assert redone <= (clients + servers) * IN_HAND


@pytest.mark.full
@pytest.mark.timeout(5400)
@pytest.mark.parametrize(("count", "clients", "servers"), [(60, 4, 2), (1000, 14, 6)])
def test_kills_change_nothing_with_the_real_server(
    repository: Path, tmp_path: Path, count: int, clients: int, servers: int
) -> None:
    write_scenes(tmp_path / "images", count)
    has_engine = (repository / "ssa_engine").is_dir()
    pipeline = () if has_engine else ("--closed-set",)
    options = (*pipeline, "--set", "points_per_side=2")
    with EmbeddedServer(
        repository, http_port=0, grpc_port=0, metrics_port=0, log_file=tmp_path / "server.log"
    ) as server:

        def kill_server() -> None:
            with SsaClient(server.grpc_url) as client:
                while not client.is_ready("ssa_engine" if has_engine else "ssa"):
                    time.sleep(0.05)
            assert server.process is not None
            os.kill(server.process.pid, signal.SIGKILL)

        calm = Annotate(tmp_path / "images", tmp_path / "calm", server.grpc_url, options)
        began = time.monotonic()
        calm.finish(calm.start())
        calm_s = time.monotonic() - began
        job = Annotate(tmp_path / "images", tmp_path / "fire", server.grpc_url, options)
        began = time.monotonic()
        run_under_fire(job, count, clients, servers, kill_server)
        print(f"undisturbed {calm_s:.0f} s, under fire {time.monotonic() - began:.0f} s")

    found = results(job.out)
    assert len(found) == count
    assert found == results(calm.out)


@pytest.mark.full
@pytest.mark.timeout(900)
def test_a_stub_that_stands_still_changes_nothing(repository: Path, tmp_path: Path) -> None:
    """Triton would hand its late answers to other requests."""
    pauses, pause_s = 5, 2.3
    write_scenes(tmp_path / "images", 200)
    options = ("--set", "points_per_side=2")
    with EmbeddedServer(repository, http_port=0, grpc_port=0, metrics_port=0) as server:
        calm = Annotate(tmp_path / "images", tmp_path / "calm", server.grpc_url, options)
        calm.finish(calm.start())
        job = Annotate(tmp_path / "images", tmp_path / "paused", server.grpc_url, options)
        running = job.start()
        for done in range(20, 20 + 30 * pauses, 30):
            while job.done() < done:
                assert running.poll() is None, running.communicate()[0]
                time.sleep(0.005)
            assert server.process is not None
            stubs = server.process.stubs().items()
            (stub,) = [pid for pid, name in stubs if name.startswith(LABEL_DECISION.name)]
            os.kill(stub, signal.SIGSTOP)
            time.sleep(pause_s)
            os.kill(stub, signal.SIGCONT)
        job.finish(running)
        assert server.restarts > 0
    assert results(job.out) == results(calm.out)
