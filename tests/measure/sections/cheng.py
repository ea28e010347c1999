"""Kodak with Cheng et al.'s camera noise."""

from __future__ import annotations

from typing import Any

from measure.sections.kodak import PUBLISHED
from measure.sections.markdown import Row, delta_percent, mean, number, table, values_of
from ncodec.bench.curves import bd_rate


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
        curve, lines = [], []
        for quality in values_of(some, "quality"):
            points = [row for row in some if row["quality"] == quality]
            rate, psnr = mean(points, "base_bpp") or 0.0, mean(points, "denoised_clean_psnr_db") or 0.0
            curve.append((rate, psnr))
            lines.append([str(quality), number(rate, 3), number(psnr)])
        name = "With the slip in the gamma" if slip else "The noise that was meant"
        parts.append(f"### {name} (the noisy input has {number(mean(some, 'noisy_psnr_db'))} dB)\n")
        parts.append(table(("quality", "base bpp", "denoised : clean dB"), lines))
        if slip:
            change = delta_percent(bd_rate(theirs, curve))
            parts.append(f"BD-rate against their points: {change} (below 0: ncodec is better).\n")
    return "\n".join(parts)
