"""Goals in bits where the curves share no PSNR."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bench_report.made import CIRCUMSTANCES, SHAPES, made_rows
from ncodec.bench.report.experiment import Experiment
from ncodec.bench.report.goals import GOALS_PERCENT, Goal, goals_of
from ncodec.bench.selection import Selection
from ncodec.bench.summary import summarise

OTHER = "avif-denoise"
"""Its best is worse than ncodec's smallest file, which takes less than half of the bits of that."""


def goal(share: float, falls: bool = False) -> Goal:
    """With a share of ncodec's bits; `falls`: the other's PSNR rises as its rate falls."""
    rows = []
    for row in made_rows(CIRCUMSTANCES, ["ncodec-denoised", OTHER]):
        rate, psnr = row.rate_bpp or 0, row.psnr_denoised_clean_db or 0
        if row.method == "ncodec-denoised":
            row = replace(row, rate_bpp=share * rate)
        elif falls:
            row = replace(row, psnr_denoised_clean_db=2 * SHAPES[OTHER].low - psnr)
        rows.append(row)
    about = CIRCUMSTANCES
    (found,) = goals_of(Experiment("kodak", Selection(about, tuple(rows), (about,)), summarise(rows)))
    return found


@pytest.mark.parametrize(("room", "is_met"), [(1.01, None), (0.99, True)])
def test_a_goal_is_met_only_against_every_point_of_the_other(room: float, is_met: bool | None):
    enough = 1 + GOALS_PERCENT[OTHER] / 100
    found = goal(room * enough * SHAPES[OTHER].rates[0] / SHAPES["ncodec-denoised"].rates[0])
    assert found.is_met is is_met
    assert found.measured == "ncodec's smallest file is better than its best, with -96 % bits"


def test_a_goal_is_open_where_the_other_is_best_at_its_smallest_file():
    found = goal(0.1, falls=True)
    assert found.is_met is None
    assert found.measured == "ncodec's smallest file is better than its best, which is its smallest"
