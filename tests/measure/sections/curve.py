"""The mean curve of many files."""

from __future__ import annotations

from collections.abc import Iterable

from measure.sections.markdown import Row, mean, values_of
from ncodec.bench.curves import Point


def mean_curve(rows: Iterable[Row]) -> list[Point]:
    """(base rate, PSNR of the denoised picture) of all qualities, means over the pictures."""
    rows = list(rows)
    points = []
    for quality in values_of(rows, "quality"):
        some = [row for row in rows if row["quality"] == quality]
        points.append((mean(some, "base_bpp") or 0.0, mean(some, "denoised_clean_psnr_db") or 0.0))
    return sorted(points)
