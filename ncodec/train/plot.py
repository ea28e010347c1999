"""The curve of a run: log.jsonl -> a picture. Needs matplotlib (the `train` extra)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

LOG = "log.jsonl"
Line = tuple[str, list[float], list[float]]
"""Label, x, y."""


def read_log(folder: Path) -> list[dict[str, Any]]:
    """Lines of a run's log; one that a kill cut short is left out."""
    rows = []
    for line in (folder / LOG).read_text().splitlines():
        try:
            rows.append(json.loads(line))
        except json.JSONDecodeError:
            continue
    return rows


def plot_run(folder: Path) -> Path:
    """Draw the loss over pixels seen, and the rate-distortion points of the first and the last evaluation.

    Of a denoiser, which has no rate: the PSNR at every noise level over pixels seen.

    Args:
        folder: of the run.

    Returns:
        The file, curve.svg in it.

    Raises:
        ModuleNotFoundError: there is no matplotlib.
    """
    import matplotlib
    from matplotlib.figure import Figure  # not pyplot, which changes settings of the whole process

    rows = read_log(folder)
    target = folder / "curve.svg"
    figure = Figure(figsize=(12, 4.5))
    left, right = figure.subplots(1, 2)
    steps = [row for row in rows if row["event"] == "train"]
    left.plot([row["pixels"] / 1e9 for row in steps], [row["loss"] for row in steps], lw=0.8)
    evaluations = [row for row in rows if row["event"] == "evaluate"]
    has_rates = not evaluations or "rate_bpp" in evaluations[0]["points"][0]
    left.set(xlabel="gigapixels seen in this run", ylabel="loss", title=folder.name)
    left.set_yscale("log" if has_rates else "linear")
    for label, x, y in (_rate_lines if has_rates else _psnr_lines)(evaluations):
        right.plot(x, y, "o-", ms=3, label=label)
    if evaluations:
        right.legend()
    across = "bits per pixel (estimated)" if has_rates else "gigapixels seen in this run"
    right.set(xlabel=across, ylabel="PSNR of the denoised picture in dB", title="validation")
    right.grid(alpha=0.3)
    with matplotlib.rc_context({"svg.fonttype": "none"}):  # text stays text: a quarter of the size, and quicker
        figure.savefig(target, bbox_inches="tight")
    return target


def _rate_lines(evaluations: list[dict[str, Any]]) -> Iterator[Line]:
    for row in (evaluations[0], evaluations[-1]) if evaluations else ():
        for sigma in sorted({point["sigma"] for point in row["points"]}):
            points = [p for p in row["points"] if p["sigma"] == sigma]
            label = f"sigma {sigma:g}, step {row['step']}"
            yield label, [p["rate_bpp"] for p in points], [p["psnr_db"] for p in points]


def _psnr_lines(evaluations: list[dict[str, Any]]) -> Iterator[Line]:
    pixels = [row["pixels"] / 1e9 for row in evaluations]
    for i, point in enumerate(evaluations[0]["points"]):
        yield f"sigma {point['sigma']:g}", pixels, [row["points"][i]["psnr_db"] for row in evaluations]
