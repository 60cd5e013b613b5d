"""Compiled kernels: Python functions that numba turns into machine code, once per CPU, cached on disk.

A kernel is compiled when its module is imported and the cache does not have it. The cache is named after the sources
of all kernels, since numba by itself would not notice that a function which a kernel calls has changed.
"""

from __future__ import annotations

import atexit
import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import llvmlite.binding
import numba
import numpy as np
from numba.core import config
from numpy.typing import NDArray

P = ParamSpec("P")
T = TypeVar("T")

Rows = NDArray[np.float32]  # [T, width], one row per token
Ids = NDArray[np.int64]
Array = NDArray[Any]

# Registers for sixteen sums of sixteen lanes; elsewhere four sums of them fit.
HAS_WIDE_REGISTERS = bool(llvmlite.binding.get_host_cpu_features().get("avx512f"))

# Written as a pattern, so that the sources need not be imported to be named.
_KERNEL_SOURCES = ("experts/simd*.py", "experts/native.py", "experts/compiled.py", "*/*_kernel.py")


def kernel(signature: str) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """Compile a function for arrays and numbers of ``signature`` (numba's notation); it runs without the GIL."""
    compiled: Any = numba.njit(signature, nogil=True, cache=True, error_model="numpy")
    return compiled  # type: ignore[no-any-return]


def part(function: Callable[P, T]) -> Callable[P, T]:
    """A function that only kernels call; it becomes part of each of them."""
    compiled: Any = numba.njit(nogil=True, error_model="numpy")
    return compiled(function)  # type: ignore[no-any-return]


def are_cached() -> bool:
    """Whether kernels were compiled on this machine before; the first time takes a quarter of a minute."""
    folder = Path(config.CACHE_DIR)  # type: ignore[attr-defined]  # its names are made at run time
    return folder.is_dir() and any(folder.iterdir())


def _cache_dir() -> Path:
    root = Path(__file__).absolute().parent.parent
    digest = hashlib.sha256(numba.__version__.encode())
    for path in sorted(path for pattern in _KERNEL_SOURCES for path in root.glob(pattern)):
        digest.update(path.read_bytes())
    try:
        base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        folder = base / "moray" / f"kernels-{digest.hexdigest()[:16]}"
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = folder.stat()
        if found.st_uid == os.getuid() and not found.st_mode & 0o022:  # what lies there is run: nobody else may write
            tempfile.TemporaryFile(dir=folder).close()
            return folder
    except (OSError, RuntimeError):
        pass
    own = Path(tempfile.mkdtemp(prefix="moray-kernels-"))  # no home of ours to write to: each process compiles anew
    atexit.register(shutil.rmtree, own, ignore_errors=True)
    return own


if not os.environ.get("NUMBA_CACHE_DIR"):
    config.CACHE_DIR = str(_cache_dir())  # type: ignore[attr-defined]  # its names are made at run time
