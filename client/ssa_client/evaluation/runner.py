"""Image after image, several at a time: truth, prediction, counts."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from ssa_client._image import encode_image, size_hw_of
from ssa_client.evaluation.confusion import confusion_matrix
from ssa_client.evaluation.errors import ClassesError, SampleError
from ssa_client.evaluation.layouts import Dataset, Sample
from ssa_client.evaluation.prediction import ClassMap, Predict, Prediction
from ssa_client.evaluation.truth import TruthMap, read_truth
from ssa_client.evaluation.worst import WorstCases, draw_case
from ssa_client.exceptions import ModelNotFoundError, ServerUnavailableError, SsaError

# With these every other image would fail the same way.
_HOPELESS = (ClassesError, ModelNotFoundError, ServerUnavailableError)


@dataclass(frozen=True)
class Failure:
    """An image that does not count, and why."""

    name: str
    reason: str


@dataclass
class Outcome:
    """What an evaluation found so far: counts of pixels [K, K], true class first.

    `branch` is None where the segmenter's own map is not known. `stopped_by` is what ended it
    before all images were tried, `not_tried` how many those are.
    """

    names: tuple[str, ...]
    ssa: npt.NDArray[np.int64] = field(init=False)
    branch: npt.NDArray[np.int64] | None = field(default=None, init=False)
    images: int = 0
    failures: list[Failure] = field(default_factory=list)
    stopped_by: SsaError | None = None
    not_tried: int = 0

    def __post_init__(self) -> None:
        self.ssa = np.zeros((len(self.names),) * 2, np.int64)

    @property
    def complete(self) -> bool:
        """Whether every image counts."""
        return not self.failures and self.stopped_by is None

    def add(self, ssa: npt.NDArray[np.int64], branch: npt.NDArray[np.int64] | None) -> None:
        """Count one more image."""
        self.images += 1
        self.ssa += ssa
        if branch is not None:
            self.branch = branch if self.branch is None else self.branch + branch


async def evaluate(
    dataset: Dataset,
    predict: Predict,
    names: tuple[str, ...],
    *,
    concurrency: int = 4,
    worst: WorstCases | None = None,
    on_done: Callable[[Sample], None] = lambda _sample: None,
) -> Outcome:
    """Compare what `predict` says of every image with its truth.

    At most `concurrency` images are held at a time. An image that fails is left out of the counts
    and reported; an error that every image would meet ends the run with what was counted so far.

    Args:
        dataset: the images and their truth.
        predict: where the class maps come from.
        names: the classes that both have, in the order of their ids.
        concurrency: images under way at a time.
        worst: takes each image that counts.
        on_done: told of each image, counted or failed.
    """
    run = _Run(dataset, predict, Outcome(names), worst, on_done)
    left = iter(dataset.samples)
    await asyncio.gather(*(run.work_off(left) for _ in range(concurrency)))
    outcome = run.outcome
    outcome.not_tried = len(dataset.samples) - outcome.images - len(outcome.failures)
    # The order in which answers come is chance.
    order = {sample.name: i for i, sample in enumerate(dataset.samples)}
    outcome.failures.sort(key=lambda failure: order[failure.name])
    return outcome


@dataclass
class _Run:
    dataset: Dataset
    predict: Predict
    outcome: Outcome
    worst: WorstCases | None
    on_done: Callable[[Sample], None]

    async def work_off(self, left: Iterator[Sample]) -> None:
        """Take samples from `left`, which other workers share, until it is empty."""
        for sample in left:
            if self.outcome.stopped_by:
                return
            try:
                await self._one(sample)
            except _HOPELESS as error:
                self.outcome.stopped_by = self.outcome.stopped_by or error
                return
            except SsaError as error:
                self.outcome.failures.append(Failure(sample.name, str(error)))
            self.on_done(sample)

    async def _one(self, sample: Sample) -> None:
        classes = len(self.outcome.names)
        image, truth = await asyncio.to_thread(self._read, sample)
        prediction = await self.predict(sample, image)
        ssa, branch = await asyncio.to_thread(_counts, truth, prediction, classes)
        if self.worst and self.worst.wants(ssa):
            case = await asyncio.to_thread(
                draw_case, sample.name, image, truth, prediction, ssa, branch
            )
            self.worst.add(case)
        # Last: an image that cannot be drawn fails, and must not be counted as well.
        self.outcome.add(ssa, branch)

    def _read(self, sample: Sample) -> tuple[bytes, TruthMap]:
        """The encoded image and its truth; what does not fit together is not worth a request."""
        truth = read_truth(sample, self.dataset.layout, len(self.outcome.names))
        image = encode_image(sample.image)
        size_hw = size_hw_of(image)
        if size_hw is None:
            raise SampleError(f"cannot read {sample.image}: it is no image, or a damaged one.")
        if truth.shape != size_hw:
            raise SampleError(
                f"{sample.label} is {_size(truth.shape)} pixels; expected the "
                f"{_size(size_hw)} of {sample.image}."
            )
        return image, truth


def _counts(
    truth: TruthMap, prediction: Prediction, classes: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64] | None]:
    """The confusion matrices of SSA and of the branch alone."""
    branch = prediction.branch
    return (
        _matrix(truth, prediction.ssa, classes, "SSA"),
        None if branch is None else _matrix(truth, branch, classes, "branch"),
    )


def _matrix(
    truth: TruthMap, predicted: ClassMap, classes: int, whose: str
) -> npt.NDArray[np.int64]:
    try:
        return confusion_matrix(truth, predicted, classes)
    except ValueError as error:
        raise SampleError(f"the {whose} map does not fit the truth: {error}") from error


def _size(size_hw: tuple[int, ...]) -> str:
    return f"{size_hw[1]}x{size_hw[0]}"
