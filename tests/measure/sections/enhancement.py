"""The enhancement layer alone, and plain decodes against other codecs."""

from __future__ import annotations

from measure.sections.markdown import Row, mean, number, of_kind, percent, signed_percent, table, values_of

RIVALS = {"avif444": "AVIF 4:4:4 with tune=ssim", "jpeg444": "JPEG 4:4:4", "jpeg420": "JPEG 4:2:0"}


def section(about: Row, rows: list[Row]) -> str:
    """All of the chapter but its heading."""
    return _white(of_kind(rows, "white")) + "\n" + _same_bytes(about, of_kind(rows, "same_bytes"))


def _white(rows: list[Row]) -> str:
    lines = []
    for row in rows:
        name = f"{row['sigma']}, {row['quality']}"
        if not row["is_coded"]:
            lines.append([name, "nothing coded", *["-"] * 6])
            continue
        cost, nothing = row["lambda"] * row["mse"] + row["rate_bpp"], row["lambda"] * row["variance"]
        lines.append([
            name, number(row["rate_bpp"], 3), number(row["mse"], 1), number(row["ideal_bpp"], 3),
            signed_percent(row["rate_bpp"] / row["ideal_bpp"] - 1), number(row["shannon_bpp"], 3),
            signed_percent(row["rate_bpp"] / row["shannon_bpp"] - 1), percent(cost / nothing, 0),
        ])  # fmt: skip
    head = ["sigma, quality", "bpp", "MSE", "ideal quantiser bpp", "", "bound bpp", "", "cost of coding nothing"]
    return (
        "### White noise\n\n"
        "Residuals of 512 x 768 x 3 samples of white Gaussian noise, at each quality's lambda; rates are the section's "
        "real bytes. *Ideal quantiser*: a scalar, uniform one with its points at the centroids and its indices ideally "
        "coded, the zero cell as wide as the others, at the distortion that was reached; the trellis is to stay below. "
        "*Bound*: 1.5 log2(variance / MSE). Last column: lambda * MSE + rate as a share of what it is without the "
        "layer.\n\n" + table(head, lines)
    )


def _same_bytes(about: Row, rows: list[Row]) -> str:
    lines = []
    for quality in values_of(rows, "quality"):
        some = [row for row in rows if row["quality"] == quality]
        cells = [str(quality), number(mean(some, "rate_bpp")), percent(mean(some, "kept_share"), 0)]
        cells.append(number(mean(some, "ncodec")))
        for rival in RIVALS:
            both = [row for row in some if row[rival] is not None]
            wins = sum(row["ncodec"] > row[rival] for row in both)
            gain = (mean(both, "ncodec") or 0) - (mean(both, rival) or 0)
            cells.append(f"{number(mean(both, rival))} ({gain:+.2f}; {wins} of {len(both)})" if both else "-")
        lines.append(cells)
    head = ["quality", "bpp", "kept", "ncodec, plain", *RIVALS.values()]
    return (
        "### Plain decodes against AVIF and JPEG of the noisy picture, at the same bytes\n\n"
        f"Kodak, sigma 25, PSNR in dB against the noisy picture. The other codecs (Pillow; AVIF at speed "
        f"{about['avif_speed']}) are interpolated, for each picture, to the bytes of its .ncd file. In brackets: "
        "ncodec's gain in dB, and the pictures on which it is better, of those whose bytes the other codec reaches.\n\n"
        + table(head, lines)
    )
