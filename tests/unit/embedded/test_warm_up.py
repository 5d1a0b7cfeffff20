from __future__ import annotations

from pathlib import Path

import pytest

from ssa_backend import specs
from ssa_backend.embedded.errors import EmbeddedServerError
from ssa_backend.embedded.warm_up import SAMPLES, ensembles_in, warm_up_of


def test_every_input_that_must_be_there_has_a_sample() -> None:
    for ensemble in specs.ENSEMBLES:
        for tensor in ensemble.inputs:
            if not tensor.optional:
                assert SAMPLES[tensor.name]().dtype == tensor.numpy_dtype


def test_only_what_the_repository_has_is_warmed_up(tmp_path: Path) -> None:
    assert ensembles_in(tmp_path) == []
    (tmp_path / "ssa").mkdir()
    (tmp_path / "ssa" / "config.pbtxt").touch()
    assert ensembles_in(tmp_path) == [specs.SSA]


def test_an_ensemble_that_does_not_answer_is_named() -> None:
    with pytest.raises(EmbeddedServerError, match="first inference through 'ssa' failed"):
        warm_up_of([specs.SSA], timeout_s=1.0)("127.0.0.1:9")
