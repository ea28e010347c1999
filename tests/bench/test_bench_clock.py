"""Timing."""

from __future__ import annotations

import sys
import time

import numpy as np
import pytest
import torch

from ncodec.bench import clock
from ncodec.bench.clock import Clock

CPU = torch.device("cpu")


def test_each_kind_is_warmed_up_once() -> None:
    timer, calls = Clock(3, CPU), []
    first = timer.run("a", lambda: calls.append(1))
    assert len(calls) == 5  # warm-up, memory, three timed
    assert first.repeats == 3
    timer.run("a", lambda: calls.append(1))
    assert len(calls) == 8
    timer.run("b", lambda: calls.append(1))
    assert len(calls) == 13


def test_time_is_the_median() -> None:
    pauses = iter([0.2, 0.0, 0.0, 0.05, 0.3])
    assert 0.05 <= Clock(3, CPU).run("a", lambda: time.sleep(next(pauses))).time_s < 0.2


def test_a_slow_call_runs_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "SLOW_S", 0.01)
    timer, calls = Clock(3, CPU), []

    def slow() -> int:
        time.sleep(0.02)
        calls.append(1)
        return len(calls)

    first = timer.run("a", slow)
    assert (first.value, first.repeats) == (1, 1)
    assert first.time_s >= 0.02
    assert timer.run("a", slow).value == 2


@pytest.mark.skipif(sys.platform != "linux", reason="memory is known on Linux")
def test_peak_memory_of_a_call() -> None:
    def spend() -> float:
        big = np.ones(64 << 20, np.uint8)
        return float(big[::4096].sum())

    found = Clock(1, CPU).run("a", spend).memory_peak_mib
    assert found is not None
    assert 60 < found < 100
    assert (Clock(1, CPU).run("a", lambda: None).memory_peak_mib or 0) < 5


def test_without_repeats_a_call_runs_once_and_nothing_is_known_of_it() -> None:
    timer, calls = Clock(0, CPU), []
    for _ in range(2):
        found = timer.run("a", lambda: calls.append(1) or len(calls))
        assert (found.time_s, found.memory_peak_mib, found.repeats) == (None, None, 0)
    assert found.value == len(calls) == 2
