"""A device whose kernels are the CUDA sources, compiled for the CPU by g++."""

from __future__ import annotations

import ctypes
import re
import shutil
import subprocess
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from ssa_backend.cuda.device import THREADS, source

HERE = Path(__file__).parent
# No product and sum in one: what `--fmad=false` says to CUDA's compiler.
FLAGS = ("-std=c++17", "-O1", "-Wall", "-ffp-contract=off", "-shared", "-fPIC", "-pthread")
KERNEL = re.compile(r'extern "C" __global__ void (\w+)\((.*?)\)\s*\{', re.DOTALL)
SCALARS = {
    np.dtype(np.int32): ctypes.c_int,
    np.dtype(np.int64): ctypes.c_longlong,
    np.dtype(np.float32): ctypes.c_float,
}


class Cpu:
    """See `ssa_backend.cuda.device.Device`."""

    xp: ModuleType = np

    def __init__(self, folder: Path, threads: int = THREADS) -> None:
        if shutil.which("g++") is None:
            pytest.skip("g++ is not installed: the CUDA source cannot be compiled for the CPU")
        self._folder, self._threads = folder, threads
        self._library = cache(self._compiled)

    def launch(self, file: str, kernel: str, blocks: int, *arguments: Any, shared: int = 0) -> None:
        # As many threads in all: blocks of fewer make more of them.
        per_mask = kernel in ("vote", "top")
        blocks = blocks if per_mask else blocks * THREADS // self._threads
        run = getattr(self._library(file), f"launch_{kernel}")
        run(ctypes.c_uint(blocks), ctypes.c_uint(self._threads), *map(_as_c, arguments))

    def _compiled(self, file: str) -> ctypes.CDLL:
        """The kernels between a header that stands in for CUDA and what launches them."""
        code, library = self._folder / f"{file}.cpp", self._folder / f"{file}.so"
        kernels = source(file)
        signatures = KERNEL.findall(re.sub(r"//.*", "", kernels))
        launchers = [_launcher(name, parameters) for name, parameters in signatures]
        code.write_text(
            "\n".join(['#include "shim.h"', kernels, '#include "launch.h"', *launchers])
        )
        subprocess.run(
            [str(shutil.which("g++")), *FLAGS, f"-I{HERE}", str(code), "-o", str(library)],
            check=True,
        )
        return ctypes.CDLL(str(library))


def _launcher(name: str, parameters: str) -> str:
    """C++ for `launch_<name>(blocks, threads, the kernel's parameters)`."""
    names = ", ".join(parameter.split()[-1] for parameter in parameters.split(","))
    return (
        f'extern "C" void launch_{name}(unsigned blocks, unsigned threads, {parameters})\n'
        f"{{ launch(blocks, threads, [=] {{ {name}({names}); }}); }}"
    )


def _as_c(argument: Any) -> Any:
    if isinstance(argument, np.ndarray):
        assert argument.flags.c_contiguous, "a kernel takes arrays in C order"
        return ctypes.c_void_p(argument.ctypes.data)
    return SCALARS[argument.dtype](argument.item())


def gpu_missing() -> str:
    """Why there is no CuPy to compare with; empty where there is."""
    try:
        import cupy

        cupy.cuda.runtime.getDeviceCount()
    except ImportError:
        return "CuPy is not installed"
    except Exception as error:  # CuPy without a driver
        return f"CuPy finds no GPU: {error}"
    return ""
