"""What first weights and optimisers are worth."""

from __future__ import annotations

from itertools import groupby

from measure.sections.markdown import Row, number, of_kind, table

OWN = {"linear": "linear filter or codec", "random": "random"}


def section(about: Row, rows: list[Row]) -> str:
    """All of the chapter but its heading."""
    parts = [
        f"Networks after {about['steps']} steps from their first weights, the rates falling to the end, on the "
        "validation split. Denoisers: PSNR in dB with noise of these sigmas. Codecs: bits per pixel / PSNR in dB, "
        "clean and with noise of sigma 25. A Muon rate of 0 leaves all to Adam.\n"
    ]
    for recipe, group in groupby(of_kind(rows, "start"), key=lambda row: row["recipe"]):
        runs = list(group)
        first = runs[0]
        size = f"{first['batch']} x {first['patch']}^2, {first['megapixels']:.0f} megapixels"
        head = [
            f"{recipe} ({size}): start",
            "Adam",
            "Muon",
            *(f"sigma {point['sigma']:g}" for point in first["points"]),
        ]
        parts.append(table(head, [_line(row) for row in runs]))
    return "\n".join(parts)


def _line(row: Row) -> list[str]:
    return [OWN[row["start"]], f"{row['adam_rate']:g}", f"{row['muon_rate']:g}", *map(_point, row["points"])]


def _point(point: Row) -> str:
    psnr = number(point["psnr_db"])
    return f"{number(point['rate_bpp'], 3)} / {psnr}" if "rate_bpp" in point else psnr
