"""Where ncodec loses, and where it wins: worked out from the means, never chosen by hand."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from ncodec.bench.curves import bd_rate
from ncodec.bench.report.costs import COSTS
from ncodec.bench.report.findings import (
    LAST,
    LEAST_DB,
    LEAST_PERCENT,
    LEAST_SHARE,
    MANY,
    Aspect,
    Finding,
    Found,
    Item,
    Scored,
    best_of,
    finding,
    opponents,
    others,
    psnr_of,
    rivals,
)
from ncodec.bench.report.naming import OURS, label_of
from ncodec.bench.summary import COMPARABLE_RATE_BPP, FIXED_RATES_BPP, Summary

STRUCTURE = (("ssim", "SSIM", 1), ("ms_ssim", "MS-SSIM", 1), ("lpips", "LPIPS", -1))
"""Figures beside the PSNR; -1 where less is better."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Both lists; both empty where ncodec was not measured."""

    losses: tuple[Finding, ...]
    wins: tuple[Finding, ...]


def verdict(summary: Summary, aspects: Sequence[Aspect] | None = None) -> Verdict:
    """Compare ncodec's denoised decode with all other methods, in all aspects or in some (QUALITY, COSTS)."""
    if OURS not in summary.methods:
        return Verdict((), ())
    lost: list[Finding] = []
    won: list[Finding] = []
    for aspect in aspects or (*QUALITY, *COSTS):
        more_lost, more_won = aspect(summary)
        lost += more_lost
        won += more_won
    return Verdict(tuple(lost), tuple(won))


def _bits(summary: Summary) -> Found:
    ours = summary.curve(OURS)
    lost: Scored = []
    won: Scored = []
    for method in others(summary):
        theirs = summary.curve(method)
        delta = bd_rate(theirs, ours)
        need, save = bd_rate(ours, theirs).value, delta.value
        label, later = label_of(method) + delta.few, LAST if delta.few else 0
        if need is not None and need < -LEAST_PERCENT:
            lost.append((need + later, Item(label, f"{need:+.1f} %")))
        elif save is not None and save < -LEAST_PERCENT and method in opponents(summary):
            won.append((save + later, Item(label, f"{save:+.1f} %")))
    return (
        finding("Others need fewer bits at equal PSNR (BD-rate against ncodec)", lost),
        finding("ncodec needs fewer bits at equal PSNR (BD-rate of ncodec)", won),
    )


def _psnr(summary: Summary) -> Found:
    lost: Scored = []
    won: Scored = []
    for rate in FIXED_RATES_BPP:
        ours = summary.at(OURS, rate)
        for scored, methods, sign in ((lost, others(summary), 1), (won, opponents(summary), -1)):
            there = {method: psnr for method in methods if (psnr := summary.at(method, rate)) is not None}
            best = max(there, key=lambda method: there[method], default=None)
            if ours is None or best is None or sign * (there[best] - ours) < LEAST_DB:
                continue
            item = Item(f"{rate:g} bpp: {label_of(best)}", f"{sign * (there[best] - ours):+.2f} dB")
            scored.append((rate, item))
    return (
        finding("The best of the others is ahead at equal bits", lost),
        finding("ncodec is ahead of the best of the others at equal bits", won),
    )


def _pictures(summary: Summary) -> Found:
    """Single pictures on which others are ahead, at equal bits and at the best that each reaches."""
    lost: Scored = []
    for rate in (*FIXED_RATES_BPP, math.inf):
        gaps = [gap for each in summary.each if (gap := _gap(each, rate))]
        ahead = [gap for gap in gaps if gap[0] >= LEAST_DB]
        if ahead:
            most_db, method = max(ahead)
            where = "whatever rate" if rate == math.inf else f"{rate:g} bpp"
            what = f"{where}: on {len(ahead)} of {len(gaps)}, the most by {label_of(method)}"
            lost.append((rate, Item(what, f"{most_db:+.2f} dB")))
    return finding("Pictures on which the best of the others is ahead", lost, len(FIXED_RATES_BPP) + 1), []


def _gap(summary: Summary, rate: float) -> tuple[float, str] | None:
    """By how many dB the best of the others is ahead, and who; infinite rate: of the best at any. None: no answer."""
    if rate == math.inf:
        there = {mean.method: psnr_of(mean) for mean in rivals(summary) if mean.rate_bpp}
        ours = (mean := best_of(summary, [OURS])) and psnr_of(mean)
    else:
        there = {m: psnr for m in others(summary) if (psnr := summary.at(m, rate)) is not None}
        ours = summary.at(OURS, rate)
    best = max(there, key=lambda method: there[method], default=None)
    return None if ours is None or best is None else (there[best] - ours, best)


def _reach(summary: Summary) -> Found:
    """The best picture at whatever rate, of codecs that are not ncodec, and what a denoiser alone makes."""
    ours = best_of(summary, [OURS])
    if ours is None:
        return [], []
    highest_bpp = max(mean.rate_bpp or 0 for mean in summary.of(OURS))
    mine = (0.0, Item(f"ncodec, denoised, at {ours.rate_bpp:.2f} bpp", f"{psnr_of(ours):.2f} dB"))
    lost: Scored = []
    won: Scored = []
    found = rivals(summary)
    alone = [mean for mean in found if not mean.rate_bpp][:1]
    coded = [mean for mean in found if mean.rate_bpp]
    for place, best in enumerate((*alone, *coded), 1):
        how = f"at {best.rate_bpp:.2f} bpp" if best.rate_bpp else "without compression"
        item = Item(f"{label_of(best.method)}, {how}", f"{psnr_of(best):.2f} dB")
        if psnr_of(best) >= psnr_of(ours) + LEAST_DB:
            lost.append((place, item))
        elif psnr_of(best) <= psnr_of(ours) - LEAST_DB and best in (*alone, *coded[:1]):
            won.append((place, item))
    title = f"Others reach a better picture at whatever rate (ncodec has no setting above {highest_bpp:.2f} bpp)"
    return (
        finding(title, [mine, *lost] if lost else [], MANY + 2),
        finding("ncodec reaches a better picture at whatever rate", [mine, *won] if won else []),
    )


def _structure(summary: Summary) -> Found:
    lost: Scored = []
    won: Scored = []
    for place, (figure, name, sign) in enumerate(STRUCTURE):
        ours = summary.at(OURS, COMPARABLE_RATE_BPP, figure)
        there = {m: v for m in opponents(summary) if (v := summary.at(m, COMPARABLE_RATE_BPP, figure)) is not None}
        best = max(there, key=lambda method: sign * there[method], default=None)
        if ours is None or best is None or abs(there[best] - ours) < LEAST_SHARE:
            continue
        item = Item(f"{name}: ncodec {ours:.3f}, {label_of(best)}", f"{there[best]:.3f}")
        (lost if sign * (there[best] - ours) > 0 else won).append((place, item))
    return (
        finding(f"The best of the others looks better to other measures, at {COMPARABLE_RATE_BPP:g} bpp", lost),
        finding(f"ncodec looks better to other measures, at {COMPARABLE_RATE_BPP:g} bpp", won),
    )


QUALITY: tuple[Aspect, ...] = (_bits, _psnr, _pictures, _reach, _structure)
