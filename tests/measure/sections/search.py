"""What the search for better latents is made of."""

from __future__ import annotations

from measure.sections.curve import mean_curve
from measure.sections.markdown import Row, delta_percent, mean, number, of_kind, table
from ncodec.bench.curves import bd_rate


def section(about: Row, rows: list[Row]) -> str:
    """All of the chapter but its heading."""
    variants = list(dict.fromkeys(row["variant"] for row in rows))
    plain, *searches = variants
    lines = []
    for variant in searches:
        cells = []
        for sigma in (0, 25):
            curves = [mean_curve(of_kind(rows, "picture", variant=name, sigma=sigma)) for name in (plain, variant)]
            cells.append(delta_percent(bd_rate(*curves)))
        noisy = of_kind(rows, "picture", variant=variant, sigma=25)
        lines.append([variant, *cells, number(mean(noisy, "encode_s_per_megapixel"), 1)])
    head = ["", "clean input", "sigma 25", "encode at sigma 25, CPU s per megapixel"]
    return "\n".join([
        f"BD-rate of variants of the search against no search, on {about['crops']} crops of {about['side']}^2 of the "
        "validation split, bytes of real files, four qualities. Each variant is effort 1 but for what its name says.\n",
        table(head, lines),
    ])  # fmt: skip
