"""Where ncodec loses, and where it wins: worked out from the means, never chosen by hand."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ncodec.bench.curves import bd_rate
from ncodec.bench.methods.method import NCODEC
from ncodec.bench.report.naming import NOISY, OURS, PLAIN, REFINED, info_of, label_of
from ncodec.bench.summary import COMPARABLE_RATE_BPP, FIXED_RATES_BPP, Mean, Summary

LEAST_PERCENT = 0.5
"""Smaller differences are a draw."""
LEAST_DB = 0.02
LEAST_SHARE = 0.002
LEAST_TIMES = 1.05
MANY = 4
"""So many items of a finding come first."""
STRUCTURE = (("ssim", "SSIM", 1), ("ms_ssim", "MS-SSIM", 1), ("lpips", "LPIPS", -1))
"""Figures beside the PSNR; -1 where less is better."""


@dataclass(frozen=True, slots=True)
class Item:
    """A method (or what it is about), and the figure."""

    what: str
    figure: str


@dataclass(frozen=True, slots=True)
class Finding:
    """One aspect, and the methods by how much they matter there."""

    title: str
    items: tuple[Item, ...]

    @property
    def first(self) -> tuple[Item, ...]:
        """The most telling ones."""
        return self.items[:MANY] if len(self.items) > MANY + 1 else self.items

    @property
    def rest(self) -> tuple[Item, ...]:
        """The others."""
        return self.items[len(self.first) :]


@dataclass(frozen=True, slots=True)
class Verdict:
    """Both lists; both empty where ncodec was not measured."""

    losses: tuple[Finding, ...]
    wins: tuple[Finding, ...]


Found = tuple[list[Finding], list[Finding]]
Scored = list[tuple[float, Item]]
Aspect = Callable[[Summary], Found]


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


def others(summary: Summary) -> list[str]:
    """What ncodec's denoised decode is compared with: all that is meant to be better than the noisy picture.

    Not its own refined files, which are the same decode after a longer encode.
    """
    return [method for method in summary.methods if method not in (OURS, REFINED, PLAIN, NOISY)]


def opponents(summary: Summary) -> list[str]:
    """The same without ncodec's own other decodes: they can show a loss, but beating them is no win."""
    return [method for method in others(summary) if info_of(method).family != NCODEC]


def _bits(summary: Summary) -> Found:
    ours = summary.curve(OURS)
    lost: Scored = []
    won: Scored = []
    for method in others(summary):
        theirs = summary.curve(method)
        delta = bd_rate(theirs, ours)
        need, save = bd_rate(ours, theirs).value, delta.value
        label = label_of(method) + delta.few
        if need is not None and need < -LEAST_PERCENT:
            lost.append((need, Item(label, f"{need:+.1f} %")))
        elif save is not None and save < -LEAST_PERCENT and method in opponents(summary):
            won.append((save, Item(label, f"{save:+.1f} %")))
    return (
        _finding("Others need fewer bits at equal PSNR (BD-rate against ncodec)", lost),
        _finding("ncodec needs fewer bits at equal PSNR (BD-rate of ncodec)", won),
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
        _finding("The best of the others is ahead at equal bits", lost),
        _finding("ncodec is ahead of the best of the others at equal bits", won),
    )


def _reach(summary: Summary) -> Found:
    """The best picture at whatever rate, and what a denoiser alone makes."""
    ours = _best(summary, [OURS])
    if ours is None:
        return [], []
    mine = (0.0, Item(f"ncodec, denoised, at {ours.rate_bpp:.2f} bpp", f"{_psnr_of(ours):.2f} dB"))
    lost: Scored = []
    won: Scored = []
    coded = [method for method in opponents(summary) if summary.curve(method)]
    alone = [method for method in opponents(summary) if not summary.curve(method)]
    for best in filter(None, (_best(summary, coded), _best(summary, alone))):
        how = f"at {best.rate_bpp:.2f} bpp" if best.rate_bpp else "without compression"
        item = Item(f"{label_of(best.method)}, {how}", f"{_psnr_of(best):.2f} dB")
        if abs(_psnr_of(best) - _psnr_of(ours)) >= LEAST_DB:
            (lost if _psnr_of(best) > _psnr_of(ours) else won).append((1.0, item))
    return (
        _finding("Others reach a better picture at whatever rate", [*lost, mine] if lost else []),
        _finding("ncodec reaches a better picture at whatever rate", [mine, *won] if won else []),
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
        _finding(f"The best of the others looks better to other measures, at {COMPARABLE_RATE_BPP:g} bpp", lost),
        _finding(f"ncodec looks better to other measures, at {COMPARABLE_RATE_BPP:g} bpp", won),
    )


def _costs(summary: Summary) -> Found:
    """At the comparable rate; a denoiser's time counts where it runs."""
    lost: list[Finding] = []
    won: list[Finding] = []
    ours = summary.nearest(OURS)
    for name, cost, text, less, more in MEASURES:
        own = cost(ours) if ours else None
        near = {m: mean for m in opponents(summary) if (mean := summary.nearest(m)) and mean.rate_bpp}
        theirs = {method: value for method, mean in near.items() if (value := cost(mean))}
        if not own:
            continue
        below = [(v / own, Item(label_of(m), f"{text(v)} ({_times(own / v)})"))
                 for m, v in theirs.items() if own > LEAST_TIMES * v]  # fmt: skip
        above = [(own / v, Item(label_of(m), f"{text(v)} ({_times(v / own)})"))
                 for m, v in theirs.items() if v > LEAST_TIMES * own]  # fmt: skip
        lost += _finding(f"{name}: ncodec {text(own)}, others {less}", below)
        won += _finding(f"{name}: ncodec {text(own)}, others {more}", above)
    return lost, won


def _step_s(mean: Mean, after: bool) -> float | None:
    """Encoding with what comes before it, or decoding with what comes after it."""
    step_s = mean.decode_s if after else mean.encode_s
    if step_s is None or mean.denoise_s is None or info_of(mean.method).denoises_after != after:
        return step_s
    return step_s + mean.denoise_s


def _best(summary: Summary, methods: Sequence[str]) -> Mean | None:
    return max((m for name in methods for m in summary.of(name) if m.psnr_clean_db), key=_psnr_of, default=None)


def _psnr_of(mean: Mean) -> float:
    return mean.psnr_clean_db or 0.0


def _finding(title: str, scored: Scored) -> list[Finding]:
    """None without items; the lowest score first."""
    items = tuple(item for _, item in sorted(scored, key=lambda pair: pair[0]))
    return [Finding(title, items)] if items else []


def _times(ratio: float) -> str:
    return f"{ratio:.1f} x" if ratio < 10 else f"{ratio:.0f} x"


def _seconds(time_s: float) -> str:
    return f"{1000 * time_s:.0f} ms" if time_s < 1 else f"{time_s:.1f} s"


def _mebibytes(size_mib: float) -> str:
    return f"{size_mib:.0f} MiB"


MEASURES: tuple[tuple[str, Callable[[Mean], float | None], Callable[[float], str], str, str], ...] = (
    ("Encoding, with denoising before it", lambda mean: _step_s(mean, after=False), _seconds, "faster", "slower"),
    ("Decoding, with denoising after it", lambda mean: _step_s(mean, after=True), _seconds, "faster", "slower"),
    ("Encoding and decoding", lambda mean: mean.total_s, _seconds, "faster", "slower"),
    ("Memory", lambda mean: mean.memory_peak_mib, _mebibytes, "less", "more"),
)
"""What a method costs, how it is written, and the words for cheaper and dearer."""
QUALITY: tuple[Aspect, ...] = (_bits, _psnr, _reach, _structure)
COSTS: tuple[Aspect, ...] = (_costs,)
