"""What refining is worth."""

from __future__ import annotations

from measure.sections.curve import mean_curve
from measure.sections.kodak import against_codecs
from measure.sections.markdown import Row, delta_percent, mean, number, of_kind, plural, table, values_of
from ncodec.bench.curves import bd_rate


def section(about: Row, rows: list[Row]) -> str:
    """All of the chapter but its heading."""
    counts = zip(about["rounds"], about["views"], strict=True)
    rounds = ", ".join(
        f"{plural(count, 'round')} at effort {effort} towards the mean of {plural(views, 'view')}"
        for effort, (count, views) in enumerate(counts)
        if effort
    )
    head = (
        f"`encode --effort` searches for better latents before they are coded: {rounds}. Rates are those of "
        "files without an enhancement section, PSNRs those of the denoised picture against the clean one, both per "
        "picture and then averaged; times those of one thread, beside other processes' work, and of a first encode.\n"
    )
    levels = sorted(values_of(rows, "sigma"), reverse=True)
    parts = [head, *(_level(sigma, of_kind(rows, "picture", sigma=sigma)) for sigma in levels)]
    best = max(values_of(of_kind(rows, "picture", sigma=0), "effort"), default=0)
    if best:
        title = f"### Clean input, effort {best}: against published codecs"
        parts.append(f"{title}\n\n{against_codecs(mean_curve(of_kind(rows, 'picture', sigma=0, effort=best)))}")
    return "\n".join(parts)


def _level(sigma: int, rows: list[Row]) -> str:
    efforts = values_of(rows, "effort")
    lines = []
    for quality in values_of(rows, "quality"):
        some = [of_kind(rows, "picture", quality=quality, effort=effort) for effort in efforts]
        cells = [f"{number(mean(s, 'base_bpp'), 3)} / {number(mean(s, 'denoised_clean_psnr_db'))}" for s in some]
        lines.append([f"quality {quality}, bpp / dB", *cells])
    curves = {effort: mean_curve(of_kind(rows, "picture", effort=effort)) for effort in efforts}
    deltas = ["-" if effort == 0 else delta_percent(bd_rate(curves[0], curves[effort])) for effort in efforts]
    lines.append(["BD-rate against effort 0", *deltas])
    times = (mean(of_kind(rows, "picture", effort=effort), "encode_s_per_megapixel") for effort in efforts)
    lines.append(["encode, s per megapixel", *(number(seconds, 1) for seconds in times)])
    title = f"### Sigma {sigma}" if sigma else "### Clean input"
    count = plural(len(values_of(rows, "picture")), "picture")
    return f"{title}\n\n{count}.\n\n{table(['', *(f'effort {effort}' for effort in efforts)], lines)}"
