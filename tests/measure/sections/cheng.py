"""Kodak with Cheng et al.'s camera noise."""

from __future__ import annotations

from typing import Any

from measure.published import PUBLISHED
from measure.sections.markdown import Row, delta_percent, mean, number, table, values_of
from ncodec.bench.curves import Delta, Point, bd_rate

NAME = "Cheng et al. 2022"
ANCHOR = "the-camera-noise-of-cheng-et-al"


def delta(rows: list[Row]) -> Delta:
    """Of ncodec's rate against their points, with the noise that those belong to."""
    theirs = [tuple(point) for point in PUBLISHED["cheng2022"]["points"]]
    return bd_rate(theirs, _curve([row for row in rows if row["slip"]]))


def _curve(rows: list[Row]) -> list[Point]:
    found = []
    for quality in values_of(rows, "quality"):
        points = [row for row in rows if row["quality"] == quality]
        found.append((mean(points, "base_bpp") or 0.0, mean(points, "denoised_clean_psnr_db") or 0.0))
    return found


def section(about: Row, rows: list[Row]) -> str:
    """All of the chapter but its heading."""
    known: dict[str, Any] = PUBLISHED["cheng2022"]
    theirs = [tuple(point) for point in known["points"]]
    parts = [
        f"Noise of level {about['level']} by the formula of Cheng, Xie & Chen (ECCV 2022), who trained one network of "
        f"cheng2020-anchor's size for each rate, its context autoregressive. Their points ({known['source']}): "
        + ", ".join(f"{number(rate, 3)}/{number(psnr)}" for rate, psnr in theirs)
        + ". They belong to the noise with the slip of their code (`tests/measure/cheng.py` says which); the other "
        "rows are without it and have no counterpart.\n"
    ]
    for slip in (True, False):
        some = [row for row in rows if row["slip"] is slip]
        lines = [
            [str(quality), number(rate, 3), number(psnr)]
            for quality, (rate, psnr) in zip(values_of(some, "quality"), _curve(some), strict=True)
        ]
        name = "With the slip in the gamma" if slip else "The noise that was meant"
        parts.append(f"### {name} (the noisy input has {number(mean(some, 'noisy_psnr_db'))} dB)\n")
        parts.append(table(("quality", "base bpp", "denoised : clean dB"), lines))
        if slip:
            parts.append(f"BD-rate against their points: {delta_percent(delta(rows))} (below 0: ncodec is better).\n")
    return "\n".join(parts)
