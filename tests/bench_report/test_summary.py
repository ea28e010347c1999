"""Means over the pictures that all methods share."""

from __future__ import annotations

from dataclasses import replace
from statistics import fmean

import pytest

from bench_report.made import CIRCUMSTANCES, NAMES, made_rows
from ncodec.bench.summary import summarise

ROWS = list(made_rows(CIRCUMSTANCES, ["noisy", "dncnn", "ncodec-plain", "ncodec-denoised"]))


def test_every_figure_is_a_mean_over_the_pictures():
    summary = summarise(ROWS)
    some = [row for row in ROWS if row.method == "ncodec-denoised" and row.setting == "3"]
    (mean,) = (mean for mean in summary.of("ncodec-denoised") if mean.setting == "3")
    assert mean.pictures == len(NAMES)
    assert mean.psnr_clean_db == pytest.approx(fmean(row.psnr_denoised_clean_db or 0 for row in some))
    assert mean.rate_bpp == pytest.approx(fmean(row.rate_bpp or 0 for row in some))
    assert mean.total_s == pytest.approx(0.086 + 0.071)
    assert summary.pictures == tuple(sorted(NAMES))


def test_a_plain_output_has_its_own_columns():
    mean = summarise(ROWS).of("ncodec-plain")[0]
    assert mean.psnr_denoised_clean_db is None
    assert mean.psnr_clean_db == mean.psnr_plain_clean_db
    assert mean.psnr_plain_noisy_db is not None


def test_only_pictures_that_all_methods_and_settings_have_count():
    cut = [row for row in ROWS if (row.picture, row.method, row.setting) != (NAMES[0], "ncodec-denoised", "8")]
    summary = summarise(cut)
    assert summary.left_out == (NAMES[0],)
    assert {mean.pictures for mean in summary.means} == {len(NAMES) - 1}


def test_no_shared_picture_gives_no_means():
    one = [row for row in ROWS if row.method != "dncnn"]
    summary = summarise([*one, replace(ROWS[0], method="dncnn", picture="another.png")])
    assert summary.means == summary.pictures == ()
    assert len(summary.left_out) == len(NAMES) + 1


def test_other_pixels_under_the_same_name_are_another_picture():
    summary = summarise([*ROWS, replace(ROWS[0], pixels="11111111")])
    assert summary.left_out == (ROWS[0].picture,)


def test_the_later_of_two_rows_counts():
    again = [replace(row, ssim=0.5) for row in ROWS if row.method == "dncnn"]
    assert summarise([*ROWS, *again]).of("dncnn")[0].ssim == 0.5


def test_a_figure_that_one_picture_lacks_is_missing():
    rows = [replace(row, lpips=None) if row.picture == NAMES[1] else row for row in ROWS]
    assert summarise(rows).of("dncnn")[0].lpips is None


def test_the_nearest_setting_is_nearest_by_ratio():
    summary = summarise(ROWS)
    near = summary.nearest("ncodec-denoised", 0.5)
    assert near is not None
    assert near.setting == "5"
    alone = summary.nearest("dncnn")
    assert alone is not None
    assert alone.rate_bpp is None
    assert summary.nearest("no such method") is None


def test_figures_at_a_rate_are_interpolated():
    summary = summarise(ROWS)
    at = summary.at("ncodec-denoised", 0.5)
    low, high = (summary.of("ncodec-denoised")[i].psnr_clean_db or 0 for i in (3, 4))
    assert at is not None
    assert low < at < high
    assert summary.at("ncodec-denoised", 5) is None
    assert summary.at("dncnn", 0.5) is None
    assert summary.at("ncodec-denoised", 0.5, "lpips") == pytest.approx(0.9 - at / 40, abs=1e-3)
