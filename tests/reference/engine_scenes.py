"""Held-out scenes with their own masks, and the reference over the mini checkpoints."""

from __future__ import annotations

from dataclasses import dataclass

from ssa_backend.engine.noun_phrases import best_available
from ssa_backend.settings import RepositorySettings
from ssa_export.presets import CHECKPOINTS
from ssa_export.scenes import Instance, render_scene, scene_seed
from tests.reference.engine import BoolMask, Checkpoints, EngineReference, Image


@dataclass(frozen=True)
class GivenScene:
    """An image, and the exact masks of the instances that are large enough."""

    image: Image
    instances: tuple[Instance, ...]
    masks: tuple[BoolMask, ...]


def given_scene(
    seed: int, index: int, min_area: int, size_hw: tuple[int, int] = (480, 640)
) -> GivenScene:
    """Scene `index` of a run, with its instances over `min_area` pixels."""
    scene = render_scene(scene_seed(seed, index), size_hw)
    instances = tuple(i for i in scene.instances if i.area > min_area)
    return GivenScene(scene.image, instances, tuple(scene.mask(i.id) for i in instances))


def many_masks(
    seed: int, index: int, count: int, size_hw: tuple[int, int] = (480, 640)
) -> list[BoolMask]:
    """`count` masks to lay over scene `index`: its own, then those of the scenes after it."""
    masks: list[BoolMask] = []
    while len(masks) < count:
        masks += given_scene(seed, index, 100, size_hw).masks
        index += 1
    return masks[:count]


def mini_reference(settings: RepositorySettings) -> EngineReference:
    """The reference over the checkpoints that the committed repository was exported from."""
    assert settings.clipseg
    checkpoints = Checkpoints(
        coco=CHECKPOINTS / "mini-segformer-coco",
        ade20k=CHECKPOINTS / "mini-segformer-ade20k",
        blip=CHECKPOINTS / "mini-blip",
        clip=CHECKPOINTS / "mini-clip",
        clipseg=CHECKPOINTS / "mini-clipseg",
    )
    return EngineReference(checkpoints, best_available(), settings.clipseg.image_size)
