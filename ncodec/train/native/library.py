"""Compiles and loads kernels.cpp and its headers, once per version of them, into the user's cache folder."""

from __future__ import annotations

import ctypes
import functools
import hashlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import torch
from torch import Tensor

SOURCE = Path(__file__).with_name("kernels.cpp")
NEEDED = {"avx512_bf16", "avx512f", "avx512bw", "avx512vl", "avx512dq", "avx512cd"}
TILES = {"amx_tile", "amx_bf16"}
FLAGS = ("-O3", "-march=x86-64-v4", "-mavx512bf16", "-std=c++17", "-shared", "-fPIC", "-pthread")
TILE_FLAGS = ("-mamx-tile", "-mamx-bf16")
COMPILE_S = 300

UNIT = 32
"""Rows and channel counts are multiples of this: the products come in blocks of 32 x 32."""


class NativeUnavailable(Exception):
    """Compiled layers cannot be had on this machine; the text says why."""


@functools.cache
def load_library() -> ctypes.CDLL:
    """The compiled kernels, with AMX's tiles where the processor has them, requested for this process.

    Raises:
        NativeUnavailable: the processor has no products of bfloat16 numbers (AVX512_BF16), there is no compiler, it
            failed, there is no cache folder, or the system grants no tiles.
    """
    has = _processor_flags()
    missing = NEEDED - has
    if missing:
        raise NativeUnavailable(f"the processor lacks {', '.join(sorted(missing))}")
    flags = FLAGS + (TILE_FLAGS if has >= TILES else ())
    sources = b"".join(path.read_bytes() for path in (SOURCE, *sorted(SOURCE.parent.glob("*.h"))))
    name = f"kernels-{hashlib.sha256(sources + ' '.join(flags).encode()).hexdigest()[:16]}.so"
    try:
        path = _cache_folder() / name
        is_made = path.exists()
    except (OSError, RuntimeError) as error:  # unreadable, or nobody's
        raise NativeUnavailable(f"there is no cache folder: {error}") from error
    if not is_made:
        _compile(path, flags)
    try:
        library = ctypes.CDLL(str(path))
    except OSError as error:
        raise NativeUnavailable(f"{path} cannot be loaded: {error}") from error
    if library.ncodec_request_tiles():
        raise NativeUnavailable("the system does not let this process use AMX tiles")
    library.ncodec_context.restype = ctypes.c_void_p
    return library


@functools.cache
def _context(threads: int) -> ctypes.c_void_p:
    """Threads and scratch memory of the library, one set per number of threads, never freed."""
    return ctypes.c_void_p(load_library().ncodec_context(threads))


def context() -> ctypes.c_void_p:
    """That of as many threads as PyTorch uses."""
    return _context(torch.get_num_threads())


def pointer(tensor: Tensor | None) -> ctypes.c_void_p:
    """Of the first number; the caller keeps the tensor alive. Null for None."""
    return ctypes.c_void_p(None if tensor is None else tensor.data_ptr())


def channels_last(x: Tensor) -> Tensor:
    """float32 with the memory layout [B, H, W, channels]."""
    return x.float().contiguous(memory_format=torch.channels_last)


def under_bfloat16_autocast(x: Tensor) -> bool:
    """Whether PyTorch itself would compute the convolutions of `x` in bfloat16 on the CPU."""
    enabled = torch.is_autocast_enabled("cpu") and torch.get_autocast_dtype("cpu") == torch.bfloat16
    return enabled and x.device.type == "cpu"


def _processor_flags() -> set[str]:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="ascii").splitlines()
    except OSError:
        return set()
    return next((set(line.partition(":")[2].split()) for line in lines if line.startswith("flags")), set())


def _cache_folder() -> Path:
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return base / "ncodec"


def _compile(path: Path, flags: tuple[str, ...]) -> None:
    compiler = shutil.which("c++") or shutil.which("g++") or shutil.which("clang++")
    if compiler is None:
        raise NativeUnavailable("there is no C++ compiler")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent) as folder:
            made = Path(folder) / path.name
            command = [compiler, *flags, str(SOURCE), "-o", str(made)]
            subprocess.run(command, check=True, capture_output=True, timeout=COMPILE_S)
            made.replace(path)  # another process may be doing the same
    except (OSError, subprocess.SubprocessError) as error:
        raise NativeUnavailable(f"{SOURCE.name} could not be compiled: {error}") from error
