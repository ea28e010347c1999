"""Rate and PSNR on Kodak."""

from __future__ import annotations

from measure.published import PUBLISHED
from measure.sections import targets
from measure.sections.curve import mean_curve
from measure.sections.markdown import (
    Row,
    delta_percent,
    mean,
    number,
    of_kind,
    percent,
    plural,
    signed_percent,
    table,
    values_of,
)
from ncodec.bench.curves import Delta, Point, bd_rate

LAYERS = {"hyper": "hyperprior", "latent": "latents", "enhancement": "enhancement"}

DEFINITIONS = """Rates are bits of real files per pixel of the picture. *Base* is the file without its enhancement \
section, header included; *total* the whole file, its noise quality equal to its quality. PSNR is 10 log10(255^2 / \
MSE) over all samples of an 8-bit RGB picture. **Every PSNR and every rate is computed for each picture, then \
averaged over the pictures.** *Denoised* is the base layer alone, *plain* is base and enhancement, *clean* the picture \
of the test set, *noisy* the encoder's input: white Gaussian noise, seeded, rounded and clipped to 8 bits. *Kept* is \
the share of the residual's energy that the enhancement layer keeps, and *noise* the encoder's estimate of its \
standard deviation at mid gray, both as the file tells them.
"""
CODECS_ANCHOR = "clean-input-against-published-codecs"
HEAD = (
    "quality", "base bpp", "total bpp", "hyperprior", "latents", "enhancement", "denoised : clean dB",
    "plain : noisy dB", "plain : clean dB", "noise", "kept",
)  # fmt: skip
RATES = ("base_bpp", "total_bpp", "hyperprior_bpp", "latents_bpp", "enhancement_bpp")
PSNRS = ("denoised_clean_psnr_db", "plain_noisy_psnr_db", "plain_clean_psnr_db")


def section(about: Row, rows: list[Row]) -> str:
    """All of the chapter but its heading."""
    parts = [DEFINITIONS]
    for sigma in sorted(values_of(of_kind(rows, "picture"), "sigma"), key=lambda sigma: (sigma != 25, sigma)):
        parts.append(_level(sigma, of_kind(rows, "picture", sigma=sigma)))
    sigma = targets.KNOWN["sigma"]
    aims = targets.section(mean_curve(of_kind(rows, "picture", sigma=sigma)), "ncodec, base layer")
    clean = (
        f"### Clean input: against published codecs\n\n{against_codecs(mean_curve(of_kind(rows, 'picture', sigma=0)))}"
    )
    parts += [aims, clean, _streams(rows), _integers(about, rows)]
    return "\n".join(parts)


def _level(sigma: int, rows: list[Row]) -> str:
    noisy = mean(rows, "noisy_psnr_db")
    title = f"### Sigma {sigma} (the noisy input has {number(noisy)} dB)" if sigma else "### Clean input"
    lines = []
    for quality in values_of(rows, "quality"):
        some = [row for row in rows if row["quality"] == quality]
        cells = [str(quality), *(number(mean(some, key), 3) for key in RATES)]
        cells += [number(mean(some, key)) for key in PSNRS]
        lines.append([*cells, number(mean(some, "noise_sigma"), 1), percent(mean(some, "kept_share"))])
    return f"{title}\n\n{plural(len(values_of(rows, 'picture')), 'picture')}.\n\n{table(HEAD, lines)}"


def codec_deltas(curve: list[Point]) -> list[tuple[str, Delta]]:
    """A curve of clean input against those that were published: name, and ncodec's BD-rate."""
    return [(known["name"], bd_rate(known["points"], curve)) for known in PUBLISHED["clean"]]


def against_codecs(curve: list[Point]) -> str:
    """A curve of clean input beside those that were published."""
    deltas = zip(codec_deltas(curve), PUBLISHED["clean"], strict=True)
    lines = [[name, delta_percent(delta), known["source"]] for (name, delta), known in deltas]
    return (
        "Mean difference in rate at equal PSNR on Kodak (Bjontegaard, monotone cubic, over the PSNRs that both reach); "
        "below 0 ncodec needs fewer bits.\n\n" + table(["against", "BD-rate", "points from"], lines)
    )


def _streams(rows: list[Row]) -> str:
    streams = of_kind(rows, "stream")
    if not streams:
        return ""
    lines = []
    for layer, name in LAYERS.items():
        some = [row for row in streams if row["layer"] == layer]
        real, ideal = 8 * sum(row["bytes"] for row in some), sum(row["ideal_bits"] for row in some)
        over = [8 * row["bytes"] - 1.01 * row["ideal_bits"] for row in some]
        lines.append([name, str(len(some)), signed_percent(real / ideal - 1, 3), number(max(over), 1)])
    return (
        "### Real bytes against the entropy of the symbols\n\n"
        "Entropy under the integer tables, escapes included; all streams of the files above at sigma 25. The aim is at "
        "most 1 % and 64 bits more for every stream: the last column is the worst stream's bits beyond 1 %.\n\n"
        + table(["layer", "streams", "bytes against entropy", "worst beyond 1 %, bits"], lines)
    )


def _integers(about: Row, rows: list[Row]) -> str:
    compared = of_kind(rows, "integers")
    if not compared:
        return ""
    lines = []
    for quality in values_of(compared, "quality"):
        some = [row for row in compared if row["quality"] == quality]
        bits = [sum(row[key] for row in some) for key in ("integer_bits", "float_bits")]
        psnr = (mean(some, "integer_psnr_db") or 0) - (mean(some, "float_psnr_db") or 0)
        lines.append([str(quality), signed_percent(bits[0] / bits[1] - 1, 2), f"{psnr:+.3f} dB"])
    return (
        "### What going to integers costs\n\n"
        "Entropy of the base layer of all pictures at sigma 25 under the integer networks' tables, against what the "
        "trained floating-point networks (float32, Gaussian tables of any width) estimate for it, latents rounded "
        "plainly in both; and the change in PSNR of the denoised picture. "
        f"Weights: {about.get('float_gigapixels_seen')} gigapixels seen.\n\n"
        + table(["quality", "entropy", "PSNR"], lines)
    )
