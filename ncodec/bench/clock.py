"""Timing calls in this process: warm-up, a run for the peak memory, then the median of repeats; or just calling."""

from __future__ import annotations

import ctypes
import sys
import time
from collections.abc import Callable, Hashable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import Generic, TypeVar

import torch

Value = TypeVar("Value")

SLOW_S = 5.0
"""A call that takes longer is run once: what warming up saves is lost in it, and repeats would take hours."""
MIB = 1 << 20


@dataclass(frozen=True)
class Timed(Generic[Value]):
    """What a call gave and took.

    Attributes:
        value: of the last run.
        time_s: median of the timed runs, wall time; None without any.
        repeats: how many these were.
        memory_peak_mib: most that the call held at a time, beyond what was there before it; None where that is not
            known (it is on Linux, and on a CUDA device).
    """

    value: Value
    time_s: float | None
    repeats: int
    memory_peak_mib: float | None


class Clock:
    """Times calls, each kind of them warmed up once.

    Args:
        repeats: timed runs; 0 for none: each call is made once, and nothing is known of what it took.
        device: where the work is done; on a CUDA device its memory counts.
    """

    def __init__(self, repeats: int, device: torch.device) -> None:
        self._repeats, self._device = repeats, device
        self._warm: dict[Hashable, _Warm] = {}

    def run(self, kind: Hashable, call: Callable[[], Value]) -> Timed[Value]:
        """Run a call, whose results are all alike.

        Args:
            kind: calls of one kind need one warm-up: the same code, weights and picture size.
            call: takes and gives back arrays or bytes, so that it ends when the device is through.
        """
        if self._repeats == 0:
            return Timed(call(), None, 0, None)
        if kind not in self._warm:
            first = self._watched(call)
            if first.time_s <= SLOW_S:  # once more: the first call of all fills caches that stay
                first = self._watched(call)
            self._warm[kind] = _Warm(first.time_s > SLOW_S, first.memory_peak_mib)
            if first.time_s > SLOW_S:
                return Timed(first.value, first.time_s, 1, first.memory_peak_mib)
        known = self._warm[kind]
        runs = [_timed(call) for _ in range(1 if known.is_slow else self._repeats)]
        times = [run.time_s for run in runs]
        return Timed(runs[-1].value, median(times), len(times), known.memory_peak_mib)

    def _watched(self, call: Callable[[], Value]) -> _Run[Value]:
        """One run, with its peak memory."""
        memory = _CudaMemory(self._device) if self._device.type == "cuda" else _HostMemory()
        return replace(_timed(call), memory_peak_mib=memory.peak_mib())


@dataclass(frozen=True)
class _Run(Generic[Value]):
    value: Value
    time_s: float
    memory_peak_mib: float | None = None


@dataclass(frozen=True)
class _Warm:
    is_slow: bool
    memory_peak_mib: float | None


def _timed(call: Callable[[], Value]) -> _Run[Value]:
    begin = time.perf_counter()
    value = call()
    return _Run(value, time.perf_counter() - begin)


class _CudaMemory:
    """Of torch's tensors on the device."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        torch.cuda.reset_peak_memory_stats(device)
        self._before = torch.cuda.memory_allocated(device)

    def peak_mib(self) -> float | None:
        return (torch.cuda.max_memory_allocated(self._device) - self._before) / MIB


class _HostMemory:
    """Resident memory of the process, as Linux counts it; its high-water mark is set back at the start."""

    def __init__(self) -> None:
        self._before: int | None = None
        if sys.platform == "linux":
            with suppress(OSError, AttributeError):  # another C library, a sandbox
                ctypes.CDLL(None).malloc_trim(0)  # else a call would fit into what an earlier one has given back
                Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
                self._before = _status_kib("VmRSS")

    def peak_mib(self) -> float | None:
        if self._before is None:
            return None
        return max(0, _status_kib("VmHWM") - self._before) / 1024


def _status_kib(field: str) -> int:
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return int(next(line for line in lines if line.startswith(field + ":")).split()[1])
