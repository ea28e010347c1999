"""docs/measurements.md and the formulas behind it."""

from __future__ import annotations

import math

import numpy as np
import pytest

from cli_tools import ROOT
from measure.cheng import READ_SIGMA, SHOT_SIGMA, camera_noise, to_linear
from measure.quantiser import ideal_bits, shannon_bits
from measure.report import document
from measure.stopwatch import Stopwatch

DOCUMENT = ROOT / "docs" / "measurements.md"
RESULTS = ROOT / "docs" / "results"


@pytest.mark.skipif(not list(RESULTS.glob("*.jsonl")), reason="docs/results holds no result files yet")
def test_the_document_is_that_of_the_result_files() -> None:
    assert DOCUMENT.read_text() == document(RESULTS), "run PYTHONPATH=tests python -m measure.report"


def test_the_ideal_quantiser_is_a_quarter_bit_above_the_bound_at_high_rates() -> None:
    assert ideal_bits(0.001) - shannon_bits(0.001) == pytest.approx(0.2546, abs=2e-3)
    # Gish and Pierce 1968: 1/2 log2(2 pi e / 12); at low rates the two meet.
    assert shannon_bits(0.99) < ideal_bits(0.99) < 0.03


def test_time_inside_a_nested_call_counts_once() -> None:
    ticks = iter(range(100))
    watch = Stopwatch(frozenset({"outer"}), lambda: next(ticks))

    class Work:
        def inner(self) -> None: ...

        def outer(self) -> None:
            self.inner()

    with watch.watching([(Work, "inner", "inner"), (Work, "outer", "outer")]):
        total, parts = watch.run(Work().outer)
    assert parts == {"outer": 2, "outer: inner": 1, "rest": total - 3}
    assert "timed" not in Work.inner.__qualname__


def test_cheng_et_als_gamma_slips_and_the_meant_one_does_not() -> None:
    every_level = np.arange(256, dtype=np.uint8).reshape(16, 16)
    assert np.array_equal(camera_noise(every_level, 0, 0, slip=False, seed=0), every_level)
    slipped = camera_noise(every_level, 0, 0, slip=True, seed=0).astype(float) - every_level
    assert 2 < slipped.mean() < 5  # anchors: +0.014 of 1 on a picture


def test_camera_noise_is_as_strong_as_its_formula() -> None:
    gray = np.full((400, 400), 188, np.uint8)  # half of the light
    noisy = to_linear(camera_noise(gray, READ_SIGMA, SHOT_SIGMA, slip=False, seed=1) / 255, slip=False)
    light = float(to_linear(np.float64(188 / 255), slip=False))
    assert noisy.std() == pytest.approx(math.sqrt(READ_SIGMA**2 + SHOT_SIGMA**2 * light), rel=0.02)
