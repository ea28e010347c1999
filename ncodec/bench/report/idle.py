"""Denoisers that leave pictures as they are: there what begins with one of them is no opponent that denoises."""

from __future__ import annotations

from collections.abc import Container

from ncodec.bench.methods.method import DENOISER
from ncodec.bench.report.findings import LEAST_DB
from ncodec.bench.report.naming import NOISY, in_order, info_of, label_of
from ncodec.bench.summary import Summary

WHITE = ("dncnn", "fdncnn-given", "fdncnn-estimated")
"""Denoisers that were trained on white Gaussian noise and nothing else."""


def idle(summary: Summary, among: Container[str] | None = None) -> list[str]:
    """A sentence for those that leave so many pictures as they are; of all denoisers, or of some."""
    pictures = summary.each or (summary,)
    found: dict[tuple[int, bool], list[str]] = {}
    for method in in_order(summary.methods):
        if info_of(method).family != DENOISER or method == NOISY or (among is not None and method not in among):
            continue
        gains = [_gain(picture, method) for picture in pictures]
        count = sum(gain is not None and abs(gain) < LEAST_DB for gain in gains)
        found.setdefault((count, method in WHITE), []).append(label_of(method))
    return [
        f"Nothing (less than {LEAST_DB:g} dB) is changed on {count} of {len(pictures)} of these pictures by "
        f"{'; '.join(labels)}{', trained on white noise' if is_white else ''}: what begins so is the codec alone there."
        for (count, is_white), labels in found.items()
        if count
    ]


def _gain(summary: Summary, method: str) -> float | None:
    """In dB, of a denoiser over the noisy picture."""
    means = summary.nearest(method), summary.nearest(NOISY)
    denoised_db, noisy_db = (mean.psnr_clean_db if mean else None for mean in means)
    return None if denoised_db is None or noisy_db is None else denoised_db - noisy_db
