"""Puts a Triton installation together from the `nvidia-pytriton` wheel.

The wheel carries the server's binary, the Python backend's library and one stub program per Python
version, apart from each other; Triton looks for a backend's parts in one folder. The wheel has no
ONNX Runtime backend, so `backends/onnxruntime` beside this file takes that name.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

import ssa_backend
from ssa_backend import stalls
from ssa_backend.embedded.errors import EmbeddedServerError

_STUB = "triton_python_backend_stub"


@dataclass(frozen=True)
class Installation:
    """Where the parts of a Triton server are, and the environment that it runs in."""

    binary: Path
    backends: Path
    environment: dict[str, str]


def install(folder: Path) -> Installation:
    """Put a backend directory together in the empty folder `folder`.

    Raises:
        EmbeddedServerError: the wheel is not installed or has no stub for this Python.
    """
    package = _pytriton_package()
    triton = package / "tritonserver"
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    stub = triton / "python_backend_stubs" / version / _STUB
    if not stub.is_file():
        known = sorted(
            (path.name for path in stub.parent.parent.glob("3.*")),
            key=lambda name: int(name.split(".")[1]),
        )
        raise EmbeddedServerError(
            f"the embedded server does not run on Python {version}; it knows {', '.join(known)}."
        )

    # Copies, 3 MB: Triton refuses a library that is a link out of the backend directory.
    for backends in (triton / "backends", Path(__file__).parent / "backends"):
        shutil.copytree(
            backends, folder, ignore=shutil.ignore_patterns("__pycache__"), dirs_exist_ok=True
        )
    shutil.copy2(stub, folder / "python" / _STUB)
    # Stubs ignore PYTHONPATH but search this folder: models get the code that this server is of,
    # installed or not.
    (folder / "python" / ssa_backend.__name__).symlink_to(Path(ssa_backend.__file__).parent)

    return Installation(
        binary=triton / "bin" / "tritonserver",
        backends=folder,
        environment=_environment(package.parent / "nvidia_pytriton.libs"),
    )


def _pytriton_package() -> Path:
    """The folder of the installed package, found without importing it."""
    spec = importlib.util.find_spec("pytriton")
    if spec is None or not spec.submodule_search_locations:
        raise EmbeddedServerError(
            "the embedded server is not installed: pip install 'ssa-triton[server]'."
        )
    return Path(spec.submodule_search_locations[0])


def _environment(libraries: Path) -> dict[str, str]:
    """The environment of the server, which its stubs inherit."""
    environment = dict(os.environ)

    def prepend(variable: str, path: Path) -> None:
        rest = [entry for entry in environment.get(variable, "").split(os.pathsep) if entry]
        environment[variable] = os.pathsep.join([str(path), *rest])

    prepend("LD_LIBRARY_PATH", libraries)
    # A stub finds its packages through the first `python3` on PATH: this interpreter's.
    prepend("PATH", Path(sys.executable).parent)
    # OpenBLAS's threads wait by spinning, and would take the cores from the networks for products
    # that are small.
    environment.setdefault("OPENBLAS_NUM_THREADS", "1")
    environment[stalls.VARIABLE] = "1"
    # A stub's print appears in the log at once.
    environment["PYTHONUNBUFFERED"] = "1"
    return environment
