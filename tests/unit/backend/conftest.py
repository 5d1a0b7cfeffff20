"""Shared here: a segment-anything that imports, and the module that Triton gives its steps."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest
import transformers  # noqa: F401  before `install`: it takes what that installs for torchvision

from tests.fakes import triton_python_backend_utils as pb_utils
from tests.reference import torchvision_functions

torchvision_functions.install()


@pytest.fixture
def fake_triton(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Put the fake where the steps import Triton's module from, and forget them afterwards."""
    monkeypatch.setitem(sys.modules, "triton_python_backend_utils", pb_utils)
    monkeypatch.setitem(sys.modules, "spacy", None)  # rules, wherever the tests run
    monkeypatch.setattr(pb_utils.Logger, "messages", [])
    yield
    pb_utils.Calls.answer = None
    for name in list(sys.modules):
        if name.startswith(("ssa_backend.steps", "ssa_backend.triton")):
            del sys.modules[name]
