"""Noun phrases of captions as BLIP writes them."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from ssa_backend.engine.noun_phrases import SPACY_PIPELINE, best_available, noun_phrases

CAPTIONS = """
a man riding a wave on top of a surfboard -> a man; a wave; a surfboard
there is a dog that is laying on the floor -> a dog; the floor
there is a man that is standing in the snow -> a man; the snow
a close up of a dog -> a dog
a close up view of a giraffe's head -> view; a giraffe's head
two people standing next to each other in the snow -> two people; the snow
a dog ' s head is sticking out of a car window -> a dog ' s head; a car window
a dog's head -> a dog's head
a man in a t - shirt and jeans -> a man; a t - shirt; jeans
a man in a t-shirt -> a man; a t-shirt
a group of people standing around a dining table -> a group; people; a dining table
a black and white cat laying on a bed -> a black and white cat; a bed
a black and white photo of a street -> a black and white photo; a street
an orange and white cat -> an orange and white cat
an orange on a table -> an orange; a table
a red, white and blue flag -> a red, white and blue flag
a bowl of broccoli and carrots -> a bowl; broccoli; carrots
a man and woman walking down a street -> a man; woman; a street
a parked car -> a parked car
a car parked on the side of the road -> a car; the side; the road
a red car parked in front of a building -> a red car; a building
a snow covered mountain -> a snow covered mountain
a brightly colored bird -> a brightly colored bird
a very tall building behind a tree -> a very tall building; a tree
three zebras grazing in a field of grass -> three zebras; a field; grass
a stuffed animal sitting on a couch -> a stuffed animal; a couch
a kitchen with a stove, microwave and refrigerator -> a kitchen; a stove; microwave; refrigerator
a person holding a cell phone in their hand -> a person; a cell phone; their hand
a city bus driving down the street -> a city bus; the street
a traffic light hanging over a street -> a traffic light; a street
a traffic light next to a tree -> a traffic light; a tree
a woman is sitting at a table with a laptop -> a woman; a table; a laptop
a street sign that says stop -> a street sign; stop
a bathroom with a toilet and washing machine -> a bathroom; a toilet; washing machine
a parking lot filled with cars -> a parking lot; cars
people walking down the sidewalk -> people; the sidewalk
a man rides a bike -> a man; a bike
two men ride horses on the beach -> two men; horses; the beach
a train on the tracks -> a train; the tracks
a number 5 on the side of a train -> a number 5; the side; a train
a plate of food -> a plate; food
the sky is blue -> the sky
blue sky -> blue sky
a blurry photo of a person -> a blurry photo; a person
a person on skis -> a person; skis
 ->
a ->
riding a horse -> a horse
a white wall -> a white wall
it is a car -> a car
a tall building next to a tree -> a tall building; a tree
a gray road under the sky -> a gray road; the sky
a person riding a bicycle -> a person; a bicycle
a street street street street -> a street street street street
the building the building the building -> the building; the building; the building
a fire hydrant on the sidewalk -> a fire hydrant; the sidewalk
a wooden bench in a park -> a wooden bench; a park
a young boy's baseball glove -> a young boy's baseball glove
the dogs ' toys -> the dogs ' toys
a living room with a couch and a television -> a living room; a couch; a television
a man wearing a hat -> a man; a hat
a woman wearing a white shirt and black pants -> a woman; a white shirt; black pants
a stop sign with graffiti on it -> a stop sign; graffiti
an open laptop computer sitting on top of a wooden desk -> an open laptop computer; a wooden desk
some people in a boat on the water -> some people; a boat; the water
a pile of wood -> a pile; wood
a slice of pizza -> a slice; pizza
all of the people in the room -> the people; the room
all the people -> all the people
a man's hand holding a remote control -> a man's hand; a remote control
several cars on the highway -> several cars; the highway
a clock on the side of a tall tower -> a clock; the side; a tall tower
a smiling man in a suit -> a smiling man; a suit
a pair of running shoes -> a pair; running shoes
a baby blue dress -> a baby blue dress
a man with a beard and glasses -> a man; a beard; glasses
food on a plate with a fork -> food; a plate; a fork
a computer screen with the words hello world on it -> a computer screen; the words hello world
a close up of a red and white sign -> a red and white sign
a view of a city from the water -> a view; a city; the water
a horse drawn carriage -> a horse drawn carriage
a half eaten sandwich -> a half eaten sandwich
a man standing in front of a blue wall with his arms crossed -> a man; a blue wall; his arms
a cat that is sleeping -> a cat
a yellow 2 door car -> a yellow 2 door car
a small airplane flying in the sky -> a small airplane; the sky
A Large Brown Dog -> A Large Brown Dog
a tree lined street -> a tree lined street
a man cutting a cake -> a man; a cake
a tennis player hitting a ball with a racket -> a tennis player; a ball; a racket
a light on a pole -> a light; a pole
the back of a truck -> the back; a truck
the top of a building -> the top; a building
a cat looks back at the camera -> a cat; the camera
a skateboarder doing a trick in mid air -> a skateboarder; a trick; mid air
an old brick building with many windows -> an old brick building; many windows
a woman holding an umbrella while walking in the rain -> a woman; an umbrella; the rain
a flock of birds flying over a body of water -> a flock; birds; a body; water
a bus that is parked next to a curb -> a bus; a curb
two giraffes and a zebra in a zoo -> two giraffes; a zebra; a zoo
a bunch of different types of food on a table -> a bunch; different types; food; a table
a man and a woman are riding bicycles -> a man; a woman; bicycles
the road is empty -> the road
a person standing on the sidewalk in front of a building -> a person; the sidewalk; a building
a car on the road next to a fence -> a car; the road; a fence
a white and blue train -> a white and blue train
a man is playing tennis on a court -> a man; tennis; a court
"""


def cases() -> Iterator[tuple[str, list[str]]]:
    for line in CAPTIONS.strip("\n").splitlines():
        caption, _, phrases = line.partition(" ->")
        yield caption, phrases.strip().split("; ") if phrases.strip() else []


@pytest.mark.parametrize(("caption", "phrases"), list(cases()))
def test_noun_phrases(caption: str, phrases: list[str]) -> None:
    assert noun_phrases(caption) == phrases


@pytest.mark.parametrize(
    "caption", ["un café noir", "一只狗", "собака на траве", "🙂 ... !", "' s", "-"]
)
def test_any_text_is_taken(caption: str) -> None:
    assert all(phrase in caption for phrase in noun_phrases(caption))


def test_a_typographic_apostrophe_is_one() -> None:
    assert noun_phrases("a dog\u2019s head") == ["a dog\u2019s head"]


def fake_spacy(load: Any) -> ModuleType:
    module = ModuleType("spacy")
    module.load = load  # type: ignore[attr-defined]
    return module


def test_spacy_is_asked_where_its_pipeline_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    def load(name: str, exclude: list[str]) -> Any:
        assert name == SPACY_PIPELINE
        chunks = [SimpleNamespace(text="it"), SimpleNamespace(text="a dog")]
        return lambda caption: SimpleNamespace(noun_chunks=chunks)

    monkeypatch.setitem(sys.modules, "spacy", fake_spacy(load))
    assert best_available()("it is a dog") == ["it", "a dog"]


def test_rules_are_used_where_spacy_has_no_pipeline(monkeypatch: pytest.MonkeyPatch) -> None:
    def load(name: str, exclude: list[str]) -> Any:
        raise OSError("[E050] Can't find model")

    monkeypatch.setitem(sys.modules, "spacy", fake_spacy(load))
    assert best_available() is noun_phrases


def test_rules_are_used_where_spacy_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "spacy", None)
    assert best_available() is noun_phrases
