"""Where arrays lie, and how kernels are run there."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

THREADS = 256  # of a block


class Device(Protocol):
    """A GPU; tests have another, on which the kernels run compiled for the CPU.

    Attributes:
        xp: the namespace of its arrays, with NumPy's functions.
    """

    xp: ModuleType

    def launch(self, file: str, kernel: str, blocks: int, *arguments: Any, shared: int = 0) -> None:
        """Run a kernel.

        Args:
            file: of this folder, without `.cu`.
            kernel: its name in the file.
            blocks: how many, of `THREADS` threads each.
            arguments: arrays of the device and NumPy scalars, of the types that the kernel says.
            shared: bytes of dynamic shared memory of a block.
        """


class Gpu:
    """The current CUDA device, through CuPy."""

    def __init__(self) -> None:
        import cupy

        self.xp: ModuleType = cupy

    def launch(self, file: str, kernel: str, blocks: int, *arguments: Any, shared: int = 0) -> None:
        """See `Device`."""
        _compiled(file, kernel)((blocks,), (THREADS,), arguments, shared_mem=shared)


def source(file: str) -> str:
    """The CUDA source of a file of this folder."""
    return (Path(__file__).parent / f"{file}.cu").read_text(encoding="utf-8")


@cache
def _compiled(file: str, kernel: str) -> Any:
    import cupy

    # A product and a sum are rounded one after the other, as on the CPU.
    return cupy.RawKernel(source(file), kernel, options=("--fmad=false",))


def on_gpu(array: Any) -> bool:
    """Whether an array is CuPy's."""
    return not isinstance(array, np.ndarray)


def to_numpy(array: Any) -> npt.NDArray[Any]:
    """The array in host memory, in C order."""
    return np.ascontiguousarray(array.get() if on_gpu(array) else array)
