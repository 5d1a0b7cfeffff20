"""The workers of the Ray engine, and the cluster that they live on."""

from __future__ import annotations

import logging
import os
import pickle
import queue
import signal
import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeAlias

# Read when Ray is imported. What its parts say of a dying worker is no news to this engine.
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")
os.environ.setdefault("RAY_ENABLE_AUTO_CONNECT", "0")

import ray
import ray.data
from ray.exceptions import RayError as RayError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from ssa_client.jobs.errors import JobError
from ssa_client.jobs.manifest import Manifest
from ssa_client.jobs.plan import Plan
from ssa_client.jobs.ray_worker import Board, Outcome, Worker

# Only names and counts go through it; this is about the least that Ray takes.
_OBJECT_STORE_BYTES = 100 * 2**20
# Images that a worker gets at once for each request that it has in flight: more of them, and less
# time passes with requests missing at the end; fewer, and less is asked again after a kill.
_IMAGES_A_REQUEST = 8
_KNOCK_S = 10.0

Answer: TypeAlias = Outcome | Exception | None


class Pool:
    """The workers, on a cluster that this connects to or starts.

    Raises:
        JobError: there is no such cluster, or it is too small.
    """

    def __init__(self, plan: Plan, manifest: Manifest) -> None:
        with _handler_kept(signal.SIGTERM):
            _connect(plan)
        logging.getLogger("ray").setLevel(logging.ERROR)
        logging.getLogger("ray.data").setLevel(logging.ERROR)
        ray.data.DataContext.get_current().enable_progress_bars = False
        self._plan = plan
        here = ray.get_runtime_context().get_node_id()
        self._board: Any = (
            ray.remote(Board)
            .options(  # beside the driver: another machine may go away
                num_cpus=0, scheduling_strategy=NodeAffinitySchedulingStrategy(here, soft=False)
            )
            .remote()
        )
        self._arguments = (plan, manifest, self._board)

    def start(self, names: Sequence[str]) -> queue.Queue[Answer]:
        """Have the images done; answers come as they are, None after the last."""
        plan = self._plan
        ray.get(self._board.forget.remote())
        at_once = plan.concurrency * len(plan.urls) * _IMAGES_A_REQUEST
        size = max(1, min(at_once, len(names) // (4 * plan.workers)))
        parts = [names[start : start + size] for start in range(0, len(names), size)]
        outcomes = ray.data.from_items(
            [{"names": pickle.dumps(part)} for part in parts], override_num_blocks=len(parts)
        ).map_batches(
            Worker,
            fn_constructor_args=self._arguments,
            batch_size=1,
            num_cpus=1,
            compute=ray.data.ActorPoolStrategy(size=plan.workers),
        )
        answers: queue.Queue[Answer] = queue.Queue()

        # A thread of its own: Ctrl-C would end Ray's iterator, and lose what it has not yet given.
        def consume() -> None:
            try:
                for row in outcomes.iter_rows():
                    answers.put(pickle.loads(row["outcome"]))
                answers.put(None)
            except Exception as error:
                answers.put(error)

        threading.Thread(target=consume, daemon=True).start()
        return answers

    def stop(self) -> None:
        """Have the workers give up what is under way, and begin nothing more."""
        ray.get(self._board.stop.remote())

    def notices(self) -> list[str]:
        """What workers have to tell."""
        texts: list[str] = ray.get(self._board.take_notices.remote())
        return texts

    def close(self) -> None:
        """End the workers, and the cluster if it was started for them."""
        ray.shutdown()


@contextmanager
def _handler_kept(number: signal.Signals) -> Iterator[None]:
    """Ray would take the signal, and end this process with code 1 and without a word."""
    before = signal.getsignal(number)
    try:
        yield
    finally:
        signal.signal(number, before)


def _connect(plan: Plan) -> None:
    quiet = {"log_to_driver": False, "logging_level": logging.ERROR}
    address = plan.ray_address or os.environ.get("RAY_ADDRESS")
    if address != "local":
        try:
            _knock(address or "auto")
            ray.init(address or "auto", **quiet)
        except (OSError, ValueError, RuntimeError) as error:
            if address:
                raise JobError(f"no Ray cluster answers at {address!r} ({error}).") from error
    if not ray.is_initialized():
        ray.init(
            "local",
            num_cpus=plan.workers,
            object_store_memory=_OBJECT_STORE_BYTES,
            include_dashboard=False,
            **quiet,
        )
    cpus = ray.cluster_resources().get("CPU", 0)
    if cpus < plan.workers:
        ray.shutdown()
        raise JobError(f"Ray's cluster has {cpus:g} CPUs; --workers {plan.workers} need one each.")


def _knock(address: str) -> None:
    """Fail soon where nobody listens: Ray tries for minutes.

    Raises:
        OSError: nobody does.
        ValueError: it is no address.
    """
    if address == "auto":
        return
    host, _, port = address.rpartition("://")[2].rpartition(":")
    if not (host and port.isdigit()):
        raise ValueError("expected host:port, 'auto' or 'local'")
    socket.create_connection((host, int(port)), timeout=_KNOCK_S).close()
