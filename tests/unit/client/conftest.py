"""One small picture with three known segments, and a server that answers with them."""

from __future__ import annotations

import io
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image
from pycocotools import mask as coco_mask

from ssa_backend import specs
from ssa_backend.labels import CITYSCAPES
from ssa_backend.settings import RepositorySettings
from ssa_client.jobs import server
from tests.unit.client.command import Outcome
from tests.unit.client.described_triton import DescribedTriton
from tests.unit.client.fake_triton import FakeTriton, Tensors, serving, texts
from tests.unit.client.stored_results import Results, closed_set_results, engine_results

HEIGHT, WIDTH = 60, 80
SKY, CAR, ROAD = 10, 13, 0


def rectangle(x: int, y: int, width: int, height: int) -> npt.NDArray[np.bool_]:
    mask = np.zeros((HEIGHT, WIDTH), np.bool_)
    mask[y : y + height, x : x + width] = True
    return mask


# Largest first, as the server sends them; rows 30 to 34 belong to no mask.
MASKS = (rectangle(0, 0, 80, 30), rectangle(0, 35, 80, 25), rectangle(10, 40, 20, 10))
CLASSES = ((SKY, "sky"), (ROAD, "road"), (CAR, "car"))


def counts_of(mask: npt.NDArray[np.bool_]) -> str:
    counts: bytes = coco_mask.encode(np.asfortranarray(mask, dtype=np.uint8))["counts"]
    return counts.decode()


@pytest.fixture
def tensors() -> Tensors:
    branch_map = np.full((HEIGHT, WIDTH), 8, np.uint16)
    semantic_map = branch_map.copy()
    for mask, (class_id, _) in zip(MASKS, CLASSES, strict=True):
        semantic_map[mask] = class_id
    proposals = [texts("sky", ""), texts("road", "sidewalk"), texts("car", "")]
    return {
        "segmentation": texts(*map(counts_of, MASKS)),
        "size": np.array([HEIGHT, WIDTH], np.int32),
        "bbox": np.array([[0, 0, 79, 29], [0, 35, 79, 24], [10, 40, 19, 9]], np.int32),
        "area": np.array([mask.sum() for mask in MASKS], np.int32),
        "predicted_iou": np.array([0.75, 0.875, 1.0], np.float32),
        "stability_score": np.array([0.5, 0.625, 0.25], np.float32),
        "point_coords": np.array([[40.5, 15], [40, 50], [20, 45]], np.float32),
        "crop_box": np.array([[0, 0, 80, 60]] * 3, np.int32),
        "class_id": np.array([class_id for class_id, _ in CLASSES], np.int32),
        "class_name": texts(*(name for _, name in CLASSES)),
        "class_proposals": np.stack(proposals),
        "vote_share": np.array([1.0, 0.75, 0.5], np.float32),
        "semantic_map": semantic_map,
        "branch_map": branch_map,
        "labels": texts(*CITYSCAPES),
    }


@pytest.fixture
def triton(tensors: Tensors) -> Iterator[FakeTriton]:
    with serving(FakeTriton(tensors)) as server:
        yield server
    assert server.complaints == []


@pytest.fixture
def described(
    tensors: Tensors, repository_settings: RepositorySettings
) -> Iterator[DescribedTriton]:
    """The committed repository's models, with the answers of `tensors`."""
    with serving(DescribedTriton(tensors, repository_settings)) as server:
        assert isinstance(server, DescribedTriton)
        yield server
    assert server.complaints == []


@pytest.fixture
def engine_tensors(tensors: Tensors) -> Tensors:
    """What the engine answers: the same masks, its own names."""
    of_masks = {tensor.name for tensor in specs.MASK_OUTPUTS}
    return {
        **{name: array for name, array in tensors.items() if name in of_masks},
        "class_name": texts("the blue sky", "straße", "car"),
        "class_proposals": np.stack(
            [
                texts("the blue sky", "", ""),
                texts("road", "straße", "a car"),
                texts("car", "van", ""),
            ]
        ),
        "clip_score": np.array([[1, 0, 0], [0.5, 0.25, 0.125], [0.5, 0.25, 0]], np.float32),
        "clipseg_share": np.array([[1, 0, 0], [0.25, 0.75, 0], [0.75, 0.25, 0]], np.float32),
        "caption": texts("the blue sky over a street", "eine straße", "a car on a road"),
        "coco_name": texts("sky", "road", "car"),
        "coco_share": np.array([1.0, 0.5, 0.75], np.float32),
        "ade20k_name": texts("sky", "road", "van"),
        "ade20k_share": np.array([0.5, 0.25, 0.125], np.float32),
    }


@pytest.fixture
def engine(engine_tensors: Tensors) -> Iterator[FakeTriton]:
    with serving(FakeTriton(engine_tensors)) as server:
        yield server
    assert server.complaints == []


@pytest.fixture
def quick_jobs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Jobs print wide lines, and soon ask again a server that went away."""
    monkeypatch.setenv("COLUMNS", "300")
    monkeypatch.setattr(server, "FIRST_WAIT_S", 0.01)


@pytest.fixture
def photos(tmp_path: Path, jpeg: bytes) -> Path:
    """A folder of a.jpg to f.jpg."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for name in "abcdef":
        (folder / f"{name}.jpg").write_bytes(jpeg)
    return folder


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out"


@pytest.fixture
def annotate(
    engine: FakeTriton, photos: Path, out: Path, quick_jobs: None
) -> Callable[..., Outcome]:
    """`ssa annotate` of `photos` into `out`, with more options."""

    def run(*options: object) -> Outcome:
        return Outcome("annotate", photos, "--out", out, "--url", engine.url, *options)

    return run


@pytest.fixture(params=[closed_set_results, engine_results])
def stored(request: pytest.FixtureRequest, tmp_path: Path) -> Results:
    """A folder of results, of each pipeline."""
    made: Results = request.param(tmp_path)
    return made


@pytest.fixture
def ctrl_c() -> Iterator[None]:
    """SIGINT interrupts, as at a terminal: a shell lets its background jobs ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(scope="session")
def pixels() -> npt.NDArray[np.uint8]:
    """uint8 [60, 80, 3] RGB noise."""
    return np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)


@pytest.fixture(scope="session")
def jpeg(pixels: npt.NDArray[np.uint8]) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG")
    return buffer.getvalue()
