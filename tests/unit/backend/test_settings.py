"""Ranges and names of settings, and their way through JSON."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from ssa_backend.errors import InvalidInputError
from ssa_backend.settings import (
    BlipSettings,
    ClipSegSettings,
    ClipSettings,
    ImageSettings,
    MaskSettings,
    RepositorySettings,
    SamSettings,
    SegmenterSettings,
    from_json,
    to_json,
)
from tests.images import BAD_PARAMETERS
from tests.unit.backend.example_settings import EXAMPLE

RANGES = {f.name: (f.type, *f.metadata["range"]) for f in dataclasses.fields(MaskSettings)}


@pytest.mark.parametrize("name", RANGES)
def test_every_setting_takes_its_range_and_nothing_outside(name: str) -> None:
    kind, low, high = RANGES[name]
    for value in (low, high, str(low), str(high)):
        found = getattr(MaskSettings().updated({name: value}), name)
        assert found == float(value)
        assert type(found).__name__ == kind
    below, above = (low - 1, high + 1) if kind == "int" else (low - 1e-6, high + 1e-6)
    for value in (below, above, str(above)):
        with pytest.raises(InvalidInputError, match=f"parameter '{name}' is "):
            MaskSettings().updated({name: value})


@pytest.mark.parametrize("name", RANGES)
def test_defaults_lie_within_their_ranges(name: str) -> None:
    defaults = MaskSettings()
    assert defaults.updated({name: getattr(defaults, name)}) == defaults


def test_other_settings_stay() -> None:
    base = MaskSettings(points_per_side=7, box_nms_thresh=0.4)
    found = base.updated({"points_per_batch": 3})
    assert found == dataclasses.replace(base, points_per_batch=3)
    assert base.updated({}) == base


@pytest.mark.parametrize("name", BAD_PARAMETERS)
def test_wrong_parameters_are_refused_with_the_reason(name: str) -> None:
    parameters, words = BAD_PARAMETERS[name]
    with pytest.raises(InvalidInputError) as caught:
        MaskSettings().updated(parameters)
    assert words in str(caught.value)


@pytest.mark.parametrize("value", [None, [], {}, "", "1e999", "inf", True, False, "0x10"])
@pytest.mark.parametrize("name", ["points_per_side", "pred_iou_thresh"])
def test_what_is_no_number_is_refused(name: str, value: Any) -> None:
    with pytest.raises(InvalidInputError, match=f"parameter '{name}' is .*; expected a .*number"):
        MaskSettings().updated({name: value})


def test_a_number_beyond_floats_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="expected a whole number from 1 to 256"):
        MaskSettings().updated({"points_per_side": 10**400})


def test_an_unknown_name_gets_a_suggestion_where_one_is_near() -> None:
    with pytest.raises(InvalidInputError) as caught:
        MaskSettings().updated({"crop_n_layer": 1})
    assert "'crop_n_layer'; did you mean 'crop_n_layers'? Known parameters: " in str(caught.value)
    with pytest.raises(InvalidInputError) as caught:
        MaskSettings().updated({"zzz": 1})
    assert str(caught.value).startswith("unknown parameter 'zzz'. Known parameters: points_per_")
    assert all(name in str(caught.value) for name in RANGES)


OF_THE_WHOLE = {"preset", "network_backend", "sam_precision"}


@pytest.mark.parametrize("group", sorted(EXAMPLE.parts - OF_THE_WHOLE))
def test_groups_survive_json(group: str) -> None:
    settings = getattr(EXAMPLE, group)
    text = to_json(settings)
    assert "\n" not in text
    found = from_json(type(settings), text)
    assert found == settings
    assert hash(found) == hash(settings)  # tuples came back as tuples


def test_the_repository_file_survives(tmp_path: Path) -> None:
    EXAMPLE.save(tmp_path)
    assert RepositorySettings.load(tmp_path) == EXAMPLE
    assert json.loads((tmp_path / "repository.json").read_text("utf-8"))["preset"] == "example"


def test_a_repository_without_the_engine_survives(tmp_path: Path) -> None:
    closed_set = dataclasses.replace(
        EXAMPLE, coco=None, ade20k=None, blip=None, clip=None, clipseg=None
    )
    closed_set.save(tmp_path)
    assert RepositorySettings.load(tmp_path) == closed_set


def test_a_folder_without_settings_is_no_repository(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"repository\.json"):
        RepositorySettings.load(tmp_path)


def test_the_example_differs_from_every_default() -> None:
    """Or else a field that is lost on the way would go unnoticed."""
    for kind, settings in (
        (SamSettings, EXAMPLE.sam),
        (SegmenterSettings, EXAMPLE.segmenter),
        (BlipSettings, EXAMPLE.blip),
        (ClipSettings, EXAMPLE.clip),
        (ClipSegSettings, EXAMPLE.clipseg),
        (MaskSettings, EXAMPLE.masks),
        (ImageSettings, EXAMPLE.images),
    ):
        for field in dataclasses.fields(kind):
            assert getattr(settings, field.name) != field.default, field.name
