"""What was set before the training as what to aim at, beside ncodec's curves."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from measure.published import PUBLISHED
from measure.sections.markdown import delta_percent, number, table
from ncodec.bench.curves import Point, bd_rate, value_at
from ncodec.bench.report.experiment import counted, load_experiments
from ncodec.bench.report.naming import REFINED

KNOWN: dict[str, Any] = PUBLISHED["targets"]
BENCH = f"bench-kodak-{KNOWN['sigma']}.jsonl"


def section(curve: Sequence[Point], name: str) -> str:
    """Beside the mean curve of denoised pictures at the targets' noise."""
    text = (
        f"### Sigma {KNOWN['sigma']}: against the targets\n\n"
        "PSNR of the denoised picture against the clean one at given rates: the mean curve, interpolated (monotone "
        "cubic over the logarithm of the rate; `-` outside the curve). The other rows are no measurements: "
        f"{KNOWN['source']}. The last column is ncodec's mean difference in rate at equal PSNR (Bjontegaard). What "
        "others reach on the same noise is measured: [benchmarks.md](benchmarks.md#bits-at-equal-psnr).\n"
    )
    return f"{text}\n{_lines(curve, name)}"


def refined(results: Path) -> list[str]:
    """The same for effort 1, from the rows of `ncodec bench`; nothing if there are none."""
    if not (results / BENCH).exists():
        return []
    found = [each for each in load_experiments([results / BENCH]) if REFINED in each.summary.methods]
    if not found:
        return []
    summary = found[-1].summary
    text = (
        f"### Sigma {KNOWN['sigma']}, effort 1: against the targets\n\n"
        f"{counted(summary)}, as above; from the rows of `ncodec bench` in {BENCH} "
        "([benchmarks.md](benchmarks.md#circumstances) says how they were measured).\n"
    )
    return [f"{text}\n{_lines(summary.curve(REFINED), 'ncodec --effort 1, base layer')}"]


def _lines(curve: Sequence[Point], name: str) -> str:
    rates = KNOWN["rates_bpp"]
    lines = []
    for row in KNOWN["rows"]:
        delta = bd_rate(list(zip(rates, row["psnr_db"], strict=True)), curve)  # `-` where they share no PSNR
        lines.append([row["name"], *(number(psnr, 1) for psnr in row["psnr_db"]), delta_percent(delta)])
    lines.append([f"**{name}**", *(number(value_at(curve, rate)) for rate in rates), ""])
    return table(["", *(f"{rate} bpp" for rate in rates), "ncodec needs"], lines)
