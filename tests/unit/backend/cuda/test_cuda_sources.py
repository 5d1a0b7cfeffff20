"""The CUDA sources under CUDA's own compiler, which needs no GPU."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from ssa_backend import cuda

SOURCES = sorted(Path(cuda.__file__).parent.glob("*.cu"))


@pytest.mark.skipif(shutil.which("nvcc") is None, reason="nvcc is not installed")
@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.name)
def test_nvcc_compiles_it_without_a_warning(source: Path, tmp_path: Path) -> None:
    compiled = tmp_path / "kernels.ptx"
    done = subprocess.run(
        ["nvcc", "--ptx", "--Werror", "all-warnings", str(source), "-o", str(compiled)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert ".entry" in compiled.read_text()
