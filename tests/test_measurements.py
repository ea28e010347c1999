"""docs/measurements.md and the formulas behind it."""

from __future__ import annotations

import math

import numpy as np
import pytest

from cli_tools import ROOT
from measure import figure, readme
from measure.cheng import READ_SIGMA, SHOT_SIGMA, camera_noise, to_linear
from measure.quantiser import ideal_bits, shannon_bits
from measure.report import document
from measure.results import read
from measure.sections import speed
from measure.stopwatch import Stopwatch

DOCUMENT = ROOT / "docs" / "measurements.md"
RESULTS = ROOT / "docs" / "results"


@pytest.mark.skipif(not list(RESULTS.glob("*.jsonl")), reason="docs/results holds no result files yet")
def test_the_document_is_that_of_the_result_files() -> None:
    assert DOCUMENT.read_text() == document(RESULTS), "run PYTHONPATH=tests python -m measure.report"


def test_the_readmes_figures_are_those_of_the_result_files() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert readme.with_block(text, readme.block(RESULTS)) == text, "run PYTHONPATH=tests python -m measure.readme"
    with pytest.raises(ValueError, match="<!-- results -->"):
        readme.with_block(text.replace(readme.END, ""), "")


@pytest.mark.parametrize(
    ("ours", "theirs", "cell"),
    [
        ([(0.1, 30.0), (0.2, 32.0)], [(0.2, 30.0), (0.4, 32.0)], "-50 %"),
        ([(0.1, 33.0)], [(0.2, 30.0), (0.4, 32.0)], "below -75 %"),
        ([(0.5, 33.0)], [(0.2, 30.0), (0.4, 32.0)], "better"),
        ([(0.1, 33.0)], [(0.2, 32.0), (0.4, 31.0)], "better"),
        ([(0.1, 20.0), (0.2, 21.0)], [(0.2, 30.0), (0.4, 32.0)], "-"),
        ([], [(0.2, 30.0)], "-"),
    ],
)
def test_bits_against_another_codec_are_told_in_a_word(
    ours: list[tuple[float, float]], theirs: list[tuple[float, float]], cell: str
) -> None:
    assert readme.bits_word(ours, theirs) == cell


@pytest.mark.skipif(not (RESULTS / "speed.jsonl").exists(), reason="speed is not measured yet")
def test_a_ratio_of_two_number_formats_says_so() -> None:
    about, rows = read(RESULTS / "speed.jsonl")
    words = "runs in float32, ncodec's transforms in bfloat16"
    assert words in speed.section(about | {"dtype": "bfloat16"}, rows)
    assert "runs in" not in speed.section(about | {"dtype": "float32"}, rows)


def test_the_figures_crops_stand_side_by_side() -> None:
    wide = [np.full((320, 384, 3), level, np.uint8) for level in (10, 20)]
    pixels = np.asarray(figure.side_by_side(wide))
    assert pixels.shape == (figure.SIDE, 2 * figure.SIDE + figure.GAP, 3)
    assert pixels[0, :: figure.SIDE + figure.GAP, 0].tolist() == [10, 20]


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
