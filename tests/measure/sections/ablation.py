"""What the denoising module does."""

from __future__ import annotations

from measure.sections.curve import mean_curve
from measure.sections.markdown import Row, delta_percent, mean, number, of_kind, plural, table, values_of
from ncodec.bench.curves import bd_rate, front
from ncodec.nets.architecture import Architecture

VARIANTS = {
    "released": "the released network",
    "left out": "its blocks left out of the decoder, the files as they are",
    "control": "trained on as it is",
    "without": "trained on without the blocks",
}


def section(about: Row, rows: list[Row]) -> str:
    """All of the chapter but its heading."""
    names = [name for name in VARIANTS if any(row["variant"] == name for row in rows)]
    parts = [_what(about, names, rows)]
    parts += [
        _level(sigma, names, of_kind(rows, "picture", sigma=sigma)) for sigma in reversed(values_of(rows, "sigma"))
    ]
    return "\n".join(parts)


def _what(about: Row, names: list[str], rows: list[Row]) -> str:
    first = Architecture.from_dict(about["variants"]["released"]["architecture"])
    lines = []
    for name in names:
        seen = about["variants"].get(name, about["variants"]["released"])
        sizes = seen["architecture"] | ({about["stage"]: 0} if name == "left out" else {})
        cost = Architecture.from_dict(sizes).synthesis_kmac_per_pixel()
        lines.append(
            [f"*{name}*: {VARIANTS[name]}", number(cost, 1), number(seen["gigapixels_seen"]), f"{seen['steps']:,}"]
        )
    head = ["", "synthesis, kMAC per pixel", "gigapixels seen", "steps"]
    return (
        f"The module is the synthesis' last stage, {plural(first.denoising8, 'residual block')} at 1/8 resolution. "
        f"{plural(len(values_of(rows, 'picture')), 'picture')}; rates are those of files without an enhancement "
        "section, PSNRs those of the denoised picture against the clean one, both per picture and then averaged.\n\n"
        + table(head, lines)
    )


def _level(sigma: int, names: list[str], rows: list[Row]) -> str:
    lines = []
    for quality in values_of(rows, "quality"):
        cells = [str(quality)]
        for name in names:
            some = [row for row in rows if row["quality"] == quality and row["variant"] == name]
            cells.append(f"{number(mean(some, 'base_bpp'), 3)} / {number(mean(some, 'denoised_clean_psnr_db'))}")
        lines.append(cells)
    lines.append(["BD-rate against *released*", *(_bd_rate(name, rows) for name in names)])
    title = f"### Sigma {sigma}" if sigma else "### Clean input"
    return f"{title}\n\nbpp / dB.\n\n{table(['quality', *names], lines)}"


def _bd_rate(name: str, rows: list[Row]) -> str:
    """Of the mean curves; `-` where they share no PSNR, or the PSNR does not rise with the rate."""
    anchor, curve = (mean_curve(of_kind(rows, "picture", variant=which)) for which in ("released", name))
    if name == "released" or front(curve) != tuple(curve):
        return "-"
    return delta_percent(bd_rate(anchor, curve))
