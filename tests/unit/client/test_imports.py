"""What importing loads: the client must start fast and alone."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = (
    *("torch", "transformers", "onnxruntime", "cv2", "supervision", "scipy", "pytriton"),
    *("datasets", "matplotlib", "pyarrow", "pandas"),
)


@pytest.mark.parametrize("module", ["ssa_client", "ssa_client.cli"])
def test_importing_loads_nothing_heavy(module: str) -> None:
    code = f"import sys, {module}; print(*sorted(set(sys.modules) & set({HEAVY!r})))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def test_the_public_names_are_there() -> None:
    import ssa_client

    assert sorted(ssa_client.__all__) == sorted(
        name for name in ssa_client.__all__ if hasattr(ssa_client, name)
    )
    assert ssa_client.__all__ == sorted(ssa_client.__all__)
