"""Real noise."""

from __future__ import annotations

from measure.sections.markdown import Row, mean, number, plural, table, values_of

SETS = {"cc15": "CC15, cameras", "fmd": "FMD, fluorescence microscopes"}


def section(about: Row, rows: list[Row]) -> str:
    """All of the chapter but its heading."""
    dncnn = about["dncnn"]
    parts = [
        "PSNR against the mean of many shots of the same scene, for each picture, then averaged. ncodec's rates are "
        "those of real files without enhancement layer.\n"
        + (
            f"*DnCNN* is blind, its weights {dncnn['file']} ({dncnn['sha256']}); it compresses nothing. On real noise "
            "it matters which they are: those of [benchmarks.md](benchmarks.md#real-noise) stand there under "
            "Circumstances.\n"
            if dncnn
            else ""
        )
    ]
    for name in values_of(rows, "set"):
        some = [row for row in rows if row["set"] == name]
        parts += [f"### {SETS.get(name, name)}, {plural(len(values_of(some, 'picture')), 'pair')}\n", _set(some, dncnn)]
    return "\n".join(parts)


def _set(rows: list[Row], weights: Row | None) -> str:
    ours = [row for row in rows if row["method"] == "ncodec"]
    dncnn = {row["picture"]: row["psnr_db"] for row in rows if row["method"] == "dncnn"}
    lines = [["the noisy input", "", number(mean(ours, "noisy_psnr_db")), "", ""]]
    if dncnn and weights:
        psnr = number(sum(dncnn.values()) / len(dncnn))
        lines.append([f"blind DnCNN, {weights['file']}", "", psnr, "", ""])
    for quality in values_of(ours, "quality"):
        some = [row for row in ours if row["quality"] == quality]
        better = sum(row["psnr_db"] > row["noisy_psnr_db"] for row in some)
        best = sum(row["psnr_db"] > dncnn[row["picture"]] for row in some) if dncnn else None
        lines.append([
            f"ncodec, quality {quality}",
            number(mean(some, "base_bpp"), 3),
            number(mean(some, "psnr_db")),
            f"{better} of {len(some)}",
            "" if best is None else f"{best} of {len(some)}",
        ])  # fmt: skip
    return table(("", "base bpp", "PSNR, dB", "better than the input on", "better than DnCNN on"), lines)
