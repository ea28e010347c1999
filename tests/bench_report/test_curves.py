"""Curves between their points, and Bjontegaard's measures with an answer for every pair of curves."""

from __future__ import annotations

import math

import pytest

from ncodec.bench.curves import bd_psnr, bd_rate, curve_of, front, is_above, rate_at, saved_percent, value_at

STRAIGHT = [(2.0**i, 30.0 + i) for i in range(5)]
ANCHOR = [(0.1 * 1.5**i, 27.0 + 1.7 * i) for i in range(6)]


def test_values_are_read_between_the_points_and_not_beyond():
    assert value_at(STRAIGHT, 2.0**1.5) == pytest.approx(31.5)
    assert rate_at(STRAIGHT, 31.5) == pytest.approx(2.0**1.5)
    assert value_at(STRAIGHT, 1.0) == pytest.approx(30)
    assert value_at(STRAIGHT, 0.99) is None
    assert value_at(STRAIGHT, 16.1) is None
    assert rate_at(STRAIGHT, 29.9) is None
    assert value_at([], 1.0) is None


def test_interpolation_is_monotone():
    steep = [(0.1, 20.0), (0.2, 20.1), (0.3, 29.9), (0.4, 30.0)]
    values = [value_at(steep, 0.1 + 0.003 * i) or 0 for i in range(101)]
    assert values == sorted(values)
    assert max(values) == pytest.approx(30)


def test_a_curve_that_needs_a_quarter_less():
    better = [(0.75 * rate, psnr) for rate, psnr in ANCHOR]
    delta = bd_rate(ANCHOR, better)
    assert delta.value == pytest.approx(-25)
    assert (delta.lowest, delta.highest, delta.points) == (27.0, 35.5, 6)
    assert bd_rate(better, ANCHOR).value == pytest.approx(100 / 3)


def test_a_curve_that_is_half_a_decibel_better():
    assert bd_psnr(ANCHOR, [(rate, psnr + 0.5) for rate, psnr in ANCHOR]).value == pytest.approx(0.5)


def test_curves_that_do_not_meet_have_a_reason_and_no_value():
    above = bd_rate(ANCHOR, [(rate, psnr + 20) for rate, psnr in ANCHOR])
    assert above.value is None
    assert above.reason == "all of it lies above the anchor's 27.00 to 35.50 dB"
    little = bd_rate(ANCHOR, [(rate, psnr + 8.2) for rate, psnr in ANCHOR])
    assert little.value is None
    assert little.reason == "the curves share only 35.20 to 35.50 dB"
    apart = bd_psnr(ANCHOR, [(rate * 100, psnr) for rate, psnr in ANCHOR])
    assert apart.value is None
    assert apart.reason == "all of it lies above the anchor's 0.10 to 0.76 bpp"
    assert bd_rate([], ANCHOR).reason == bd_psnr(ANCHOR, []).reason == "there is no rate, or no PSNR"


def test_a_single_point_is_compared_at_itself():
    rate, psnr = ANCHOR[2]
    assert bd_rate([(2 * rate, psnr)], ANCHOR).value == pytest.approx(-50)
    assert bd_rate(ANCHOR, [(2 * rate, psnr)]).value == pytest.approx(100)
    assert bd_psnr([(rate, psnr - 1)], ANCHOR).value == pytest.approx(1)
    assert bd_rate([(rate, 10.0)], ANCHOR).reason == "all of it lies above the anchor's 10.00 dB"


def test_points_that_no_one_pays_for_do_not_count():
    """AVIF alone: more bits keep more of the noise, and the PSNR against the clean picture falls."""
    falling = [(0.1, 25.0), (0.2, 26.7), (0.4, 26.5), (0.8, 25.5)]
    assert front(falling) == ((0.1, 25.0), (0.2, 26.7))
    assert value_at(falling, 0.8) == pytest.approx(25.5)
    assert rate_at(falling, 26.6) == pytest.approx(0.19, abs=0.01)


def test_a_smaller_and_better_file_saves_bits_against_the_best_one_alone():
    small = [(0.1, 33.0), (0.2, 34.0)]
    assert saved_percent([(0.2, 30.0), (0.4, 32.0)], small) == pytest.approx(-75)
    assert saved_percent([(0.2, 30.0), (0.4, 33.0)], small) is None
    assert not is_above([(0.2, 30.0), (0.4, 33.0)], small)
    assert not is_above([], small)
    assert not is_above(small, [])


def test_nothing_is_said_of_bits_against_a_best_file_that_is_the_smallest():
    """Its PSNR still rises as the rate falls: how far, is not measured."""
    falling = [(0.2, 32.0), (0.4, 31.0)]
    assert is_above(falling, [(0.1, 33.0)])
    assert saved_percent(falling, [(0.1, 33.0)]) is None


def test_lossless_and_doubled_points():
    assert curve_of([(0.2, 30.0), (0.1, 29.0), (0.2, 31.0), (9.0, math.inf)]) == ((0.1, 29.0), (0.2, 31.0))
