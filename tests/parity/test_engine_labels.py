"""The served engine's labels against the original's mask-by-mask algorithm.

Both sides use the committed mini checkpoints, ours exported, served and batched, theirs in PyTorch
one mask at a time, on the exact masks of scenes that were not used in training.
"""

from __future__ import annotations

import pytest

from ssa_backend.settings import RepositorySettings
from ssa_client import SsaClient
from tests.reference.engine import EngineReference
from tests.reference.engine_comparison import Tally
from tests.reference.engine_scenes import given_scene, mini_reference

SEED = 60
MIN_AREA = 100
SAME_NAMES = 0.99
SAME_PROPOSALS = 0.98
TIMEOUT_S = 600.0

SMALL = ((240, 320), 5)
FULL = ((480, 640), 20)


@pytest.fixture(scope="module")
def reference(repository_settings: RepositorySettings) -> EngineReference:
    return mini_reference(repository_settings)


@pytest.mark.timeout(3600)
@pytest.mark.parametrize(
    ("size_hw", "scenes"),
    [pytest.param(*SMALL, id="small"), pytest.param(*FULL, id="full", marks=pytest.mark.full)],
)
def test_served_labels_are_the_originals(
    size_hw: tuple[int, int], scenes: int, client: SsaClient, reference: EngineReference
) -> None:
    tally = Tally()
    for k in range(scenes):
        scene = given_scene(SEED, k, MIN_AREA, size_hw)
        served = client.label(scene.image, masks=scene.masks, timeout_s=TIMEOUT_S).masks
        expected = reference.label(scene.image, scene.masks)
        for i, (ours, theirs) in enumerate(zip(served, expected, strict=True)):
            tally.add(f"scene {k} mask {i}", theirs, ours)
    print(f"\n{size_hw}, {scenes} scenes: {tally}")

    assert tally.masks > 10 * scenes, "too few masks to compare"
    assert len(tally.other_names) <= (1 - SAME_NAMES) * tally.masks
    assert len(tally.other_proposals) <= (1 - SAME_PROPOSALS) * tally.masks
    assert all(found.is_tie for found in tally.differences)


def test_served_labels_of_a_vocabulary_are_the_originals(
    client: SsaClient, reference: EngineReference
) -> None:
    """Names that the request brings: no captions, no votes, several scripts."""
    classes = ["road", "car", "tree", "house", "sky", "дерево", "道路", "a person", "road"]
    scene = given_scene(SEED, 0, MIN_AREA, SMALL[0])
    served = client.label(scene.image, masks=scene.masks, classes=classes).masks
    tally = Tally()
    for i, expected in enumerate(reference.label(scene.image, scene.masks, classes)):
        tally.add(f"mask {i}", expected, served[i])
    print(tally)
    assert all(found.is_tie for found in tally.differences)
