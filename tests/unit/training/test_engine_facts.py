"""What the engine's mini models are taught: names, colours, captions, crops."""

from __future__ import annotations

import numpy as np
import pytest

from ssa_backend.labels import ADE20K, CITYSCAPES, COCO_PANOPTIC, plain_name
from ssa_export.scenes import render_scene
from ssa_export.scenes.captions import Region, caption, main_colour
from ssa_export.scenes.classes import CITYSCAPES_TO_COCO
from ssa_export.scenes.names import accepted_names, head_noun, names_accept
from ssa_export.training.crops import regions
from ssa_export.training.phrases import CLASSES_BY_NAME, OTHER_NAMES, STREET_NAMES, said


def class_id(name: str) -> int:
    return CITYSCAPES.index(name)


def test_coco_has_its_80_things_and_53_stuff_classes_in_order() -> None:
    assert len(COCO_PANOPTIC) == len(set(COCO_PANOPTIC)) == 133
    known = {0: "person", 9: "traffic light", 79: "toothbrush", 80: "banner", 100: "road",
             116: "tree-merged", 119: "sky-other-merged", 132: "rug-merged"}  # fmt: skip
    assert {index: COCO_PANOPTIC[index] for index in known} == known


@pytest.mark.parametrize(
    ("label", "said_as"),
    [
        ("tree-merged", "tree"),
        ("wall-wood", "wall"),
        ("window-other", "window"),
        ("sky-other-merged", "sky"),
        ("door-stuff", "door"),
        ("traffic light", "traffic light"),
    ],
)
def test_coco_labels_lose_their_endings(label: str, said_as: str) -> None:
    assert plain_name(label) == said_as


def test_what_coco_calls_a_class_is_accepted_for_it() -> None:
    for index, coco in enumerate(CITYSCAPES_TO_COCO):
        assert coco is None or names_accept(index, plain_name(COCO_PANOPTIC[coco]))
    assert CITYSCAPES_TO_COCO[class_id("pole")] is None


@pytest.mark.parametrize(
    ("thing", "name"),
    [
        ("car", "a parked red car"),
        ("vegetation", "The tall tree"),
        ("rider", "a person"),
        ("sidewalk", "the gray pavement"),
        ("traffic sign", "signboard"),
        ("wall", "a brown brick wall"),
    ],
)
def test_right_names_are_accepted(thing: str, name: str) -> None:
    assert names_accept(class_id(thing), name)


@pytest.mark.parametrize(
    ("thing", "name"),
    [
        ("truck", "a car"),
        ("wall", "building"),
        ("train", "van"),
        ("person", "rider"),
        ("car", "car door"),
        ("road", "red"),
        ("sky", ""),
    ],
)
def test_wrong_names_are_not(thing: str, name: str) -> None:
    assert not names_accept(class_id(thing), name)


def test_a_lone_adjective_stays_a_name() -> None:
    assert head_noun("an orange") == "orange"
    assert head_noun("the bright light") == "light"


def test_names_are_told_apart_by_what_they_are_right_for() -> None:
    assert "toilet" in OTHER_NAMES
    assert set(STREET_NAMES).isdisjoint(OTHER_NAMES)
    assert {class_id("person"), class_id("rider")} == CLASSES_BY_NAME["person"]
    assert set(ADE20K) <= set(STREET_NAMES) | set(OTHER_NAMES)


def test_what_is_said_of_a_name_keeps_its_noun() -> None:
    rng = np.random.default_rng(0)
    phrases = [said("car", rng) for _ in range(50)]
    assert all(head_noun(phrase.text) == "car" for phrase in phrases)
    assert {"car", "a car", "the car"} <= {phrase.text for phrase in phrases}
    assert any(phrase.colour and phrase.colour in phrase.text for phrase in phrases)


@pytest.mark.parametrize(
    ("rgb", "colour"),
    [
        ((200, 30, 30), "red"),
        ((60, 100, 190), "blue"),
        ((120, 121, 118), "gray"),
        ((20, 22, 30), "black"),
        ((230, 230, 225), "white"),
        ((110, 70, 45), "brown"),
        ((90, 140, 60), "green"),
    ],
)
def test_colours_have_their_names(rgb: tuple[int, int, int], colour: str) -> None:
    assert main_colour(np.full((10, 3), rgb, np.uint8)) == colour


def test_a_thing_of_many_colours_has_none() -> None:
    pixels = np.array([(200, 30, 30), (60, 100, 190), (230, 230, 225)] * 5, np.uint8)
    assert main_colour(pixels) is None


def test_captions_say_what_a_thing_is_and_what_is_beside_it() -> None:
    rng = np.random.default_rng(1)
    car = Region(class_id("car"), 900, (20, 40, 80, 70))
    road = Region(class_id("road"), 3000, (0, 50, 100, 100), touching=True)
    far = Region(class_id("sky"), 5000, (0, 0, 100, 30))
    sentences = {caption(car, "red", [road, far], rng) for _ in range(100)}
    assert sentences == {"a car", "a red car", "a car on the road", "a red car on the road"}


def test_a_rider_rides() -> None:
    rider = Region(class_id("rider"), 400, (20, 10, 40, 60))
    bicycle = Region(class_id("bicycle"), 300, (10, 40, 60, 70), touching=True)
    road = Region(class_id("road"), 3000, (0, 50, 100, 100), touching=True)
    rng = np.random.default_rng(0)
    sentences = [caption(rider, None, [road, bicycle], rng) for _ in range(20)]
    assert "a person riding a bicycle" in sentences


def test_captions_of_a_scene_are_short_and_name_their_subject() -> None:
    scene = render_scene(5, (120, 160))
    ids = scene.instance_map.astype(np.uint16)
    classes = np.array([instance.class_id for instance in scene.instances], np.uint8)
    rng = np.random.default_rng(0)
    for instance in scene.instances:
        subject, others = regions(ids, classes, instance.id)
        assert subject.area == instance.area
        sentence = caption(subject, "gray", others, rng)
        assert len(sentence.split()) <= 12
        assert any(noun in sentence for noun in accepted_names(instance.class_id))
