"""The tables of a terminal."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from bench_tools import ABOUT, row
from ncodec.bench.row import Row
from ncodec.bench.runtime import runtimes
from ncodec.bench.table import tables


def curve(method: str, factor: float, **more: object) -> list[Row]:
    """Five settings of a codec that needs `factor` times the rate of ncodec."""
    return [
        row(method=method, setting=str(k), rate_bpp=factor * 0.2 * 1.5**k, psnr_denoised_clean_db=27.0 + k, **more)
        for k in range(5)
    ]


def drawn(rows: list[Row], width: int) -> str:
    out = io.StringIO()
    console = Console(file=out, width=width)
    for table in tables(rows, ABOUT, "ncodec-denoised", console):
        console.print(table)
    return out.getvalue()


ROWS = [
    *curve("ncodec-denoised", 1.0),
    *curve("dncnn-then-avif444", 1.5, denoise_s=2.0, encode_s=0.75, decode_s=0.25),
    row(method="noisy", setting="default", rate_bpp=None, psnr_plain_clean_db=20.26, psnr_denoised_clean_db=None),
]


def test_every_method_stands_at_the_setting_near_half_a_bit() -> None:
    text = drawn(ROWS, 200)
    ours = next(line for line in text.splitlines() if "ncodec-denoised" in line)
    assert "0.450" in ours
    assert "29.00" in ours
    theirs = next(line for line in text.splitlines() if "dncnn-then-avif444" in line)
    assert "+50.0 %" in theirs
    assert "20.26" in next(line for line in text.splitlines() if "noisy" in line and "%" not in line and "│" in line)


@pytest.mark.parametrize("width", [80, 120, 200])
def test_narrow_terminals_get_fewer_columns_not_cut_ones(width: int) -> None:
    text = drawn(ROWS, width)
    assert "…" not in text
    assert ("kMAC" in text) == (width == 200)
    assert "BD-" in text
    assert "total" in text
    assert "LPIPS" not in text


def test_lpips_has_a_column_where_it_was_measured() -> None:
    assert "LPIPS" in drawn([row(lpips=0.125)], 200)


def test_runtimes_are_means_over_settings_and_pictures() -> None:
    rows = [
        row(setting="1", encode_s=1.0, decode_s=1.0),
        row(setting="2", encode_s=3.0, decode_s=1.0),
        row(method="ncodec-then-dncnn", setting="1", denoise_s=4.0, encode_s=1.0, decode_s=1.0),
        row(method="ncodec-then-dncnn", setting="1", picture="b.png", denoise_s=400.0, encode_s=1.0, decode_s=1.0),
        row(method="testolina", setting="0.5", encode_s=1.0, decode_s=1.0),
    ]
    ours, cascade, testolina = runtimes(rows)
    assert (ours.denoise_s, ours.encode_s, ours.decode_s, ours.total_s, ours.ratio) == (None, 2.0, 1.0, 3.0, 1.0)
    assert (cascade.method, cascade.combined, cascade.pictures) == ("ncodec-then-dncnn", "ncodec-denoised", 1)
    assert (cascade.total_s, cascade.ratio) == (6.0, 2.0)
    assert testolina.method == testolina.combined == "testolina"


def test_times_of_other_pixels_under_the_same_name_do_not_count() -> None:
    rows = [
        row(encode_s=1.0, decode_s=1.0),
        row(pixels="76543210", encode_s=100.0, decode_s=1.0),
        row(method="ncodec-then-dncnn", denoise_s=4.0, encode_s=1.0, decode_s=1.0),
    ]
    assert [line.total_s for line in runtimes(rows)[1:]] == [6.0]
    assert runtimes(rows)[1].ratio == 3.0


def test_no_runtimes_without_a_cascade() -> None:
    assert "Seconds a picture" not in drawn([row()], 200)
    assert runtimes([row(method="noisy")]) == []
