"""Our denoisers beside their authors'."""

from __future__ import annotations

from measure.sections.markdown import Row, mean, number, plural, table, values_of

PAIRS = {"blind": "authors' blind", "conditioned": "authors' conditioned"}


def section(about: Row, rows: list[Row]) -> str:
    """All of the chapter but its heading."""
    sigmas = values_of(rows, "sigma")
    lines = [["the noisy input", "", *(number(mean(_some(rows, None, sigma), "noisy_psnr_db")) for sigma in sigmas)]]
    for name, known in about["networks"].items():
        seen = f"{number(known['gigapixels_seen'])} gigapixels" if "gigapixels_seen" in known else ""
        cells = [_cell(rows, name, sigma) for sigma in sigmas]
        lines.append([f"{name} ({known['file']}, {known['sha256']})", seen, *cells])
    return (
        f"Mean PSNR in dB over {plural(len(values_of(rows, 'picture')), 'picture')}, white Gaussian noise on them, "
        "rounded and clipped to 8 bits. In brackets: our network's distance from its authors' own of that kind (aim: "
        "within 0.15 dB).\n\n" + table(["", "seen", *(f"sigma {sigma}" for sigma in sigmas)], lines)
    )


def _cell(rows: list[Row], name: str, sigma: int) -> str:
    value = mean(_some(rows, name, sigma), "psnr_db")
    theirs = mean(_some(rows, PAIRS[name], sigma), "psnr_db") if name in PAIRS else None
    return number(value) + (f" ({value - theirs:+.2f})" if value is not None and theirs is not None else "")


def _some(rows: list[Row], name: str | None, sigma: int) -> list[Row]:
    """Of one network; None: of any one, since all saw the same pictures."""
    name = name or rows[0]["network"]
    return [row for row in rows if row["network"] == name and row["sigma"] == sigma]
