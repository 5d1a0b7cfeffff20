"""Makes segment-anything importable, which the tests here compare with."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
import transformers  # noqa: F401  before `install`: it takes what that installs for torchvision

from tests.reference import torchvision_functions

torchvision_functions.install()


@pytest.fixture(autouse=True, scope="module")
def one_torch_thread() -> Iterator[None]:
    """The tensors here are tiny: more threads only wait for each other."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
