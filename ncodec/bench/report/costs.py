"""What ncodec costs beside others: time and memory, and the time of its longer search."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from ncodec.bench.report.findings import LEAST_TIMES, Aspect, Finding, Found, Item, finding, opponents
from ncodec.bench.report.naming import OURS, REFINED, in_float32, info_of, label_of
from ncodec.bench.summary import Mean, Summary


def costs_in(dtype: str) -> tuple[Aspect, ...]:
    """COSTS of networks in a number format: ncodec may lose against others that run in float32, but not win."""
    return tuple(_of_format(aspect, dtype) for aspect in COSTS)


def without_float32(summary: Summary, dtype: str) -> Summary:
    """Without methods in float32 where others are in bfloat16: what they take there is no answer to ncodec's costs."""
    apart = in_float32(summary.methods, dtype)
    return replace(summary, means=tuple(mean for mean in summary.means if mean.method not in apart))


def _of_format(aspect: Aspect, dtype: str) -> Aspect:
    def found(summary: Summary) -> Found:
        return aspect(summary)[0], aspect(without_float32(summary, dtype))[1]

    return found


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
        lost += finding(f"{name}: ncodec {text(own)}, others {less}", below)
        won += finding(f"{name}: ncodec {text(own)}, others {more}", above)
    return lost, won


def _search(summary: Summary) -> Found:
    """What fewer bits by a longer search cost in time, which no other aspect tells."""
    refined = summary.nearest(REFINED)
    if refined is None or not refined.total_s:
        return [], []
    near = [mean for m in (OURS, *opponents(summary)) if (mean := summary.nearest(m)) and mean.rate_bpp]
    times = {mean.method: time_s for mean in near if (time_s := mean.total_s)}
    faster = [(time_s, Item(label_of(m), f"{_seconds(time_s)} ({_times(refined.total_s / time_s)})"))
              for m, time_s in times.items() if refined.total_s > LEAST_TIMES * time_s]  # fmt: skip
    title = f"Encoding and decoding: {label_of(REFINED)} {_seconds(refined.total_s)}, others faster"
    return finding(title, faster), []


def _step_s(mean: Mean, after: bool) -> float | None:
    """Encoding with what comes before it, or decoding with what comes after it."""
    step_s = mean.decode_s if after else mean.encode_s
    if step_s is None or mean.denoise_s is None or info_of(mean.method).denoises_after != after:
        return step_s
    return step_s + mean.denoise_s


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
COSTS: tuple[Aspect, ...] = (_costs, _search)
