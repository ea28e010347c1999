"""Plots of a summary: rate-distortion a family, and quality over time at a comparable rate. Needs matplotlib."""

from __future__ import annotations

import io
import math
from collections.abc import Iterable, Sequence
from itertools import cycle

import matplotlib
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure  # not pyplot, which changes settings of the whole process
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from ncodec.bench.curves import Point, value_at
from ncodec.bench.report import palette
from ncodec.bench.report.labels import SIZE_PT, Label, label_curves, label_points
from ncodec.bench.report.naming import OURS, by_family, info_of, panels, short_label_of
from ncodec.bench.summary import COMPARABLE_RATE_BPP, Summary

SIZE_IN = (5.6, 4.2)
"""Of a rate-distortion plot: on a phone its text can still be read."""
WIDE_IN = (8.8, 4.9)
LEFT_IN = 0.56
"""For the vertical axis and its words."""
HIGHEST_RATE_BPP = 3.0
HEIGHT_DB = 7.0
"""A rate-distortion plot reaches this far down from the best point: further down nobody would go."""
TICKS = ((1, 10), (1, 2, 5, 10), (1, 1.5, 2, 3, 5, 7, 10), (1, 1.2, 1.4, 1.7, 2, 2.5, 3, 3.5, 4, 5, 6, 7, 8, 9, 10))
"""Of a decade; the first of these that has LEAST_TICKS in sight is used."""
LEAST_TICKS = 4
MARKERS = "osD^vPX"


def rate_distortion(summary: Summary, methods: Sequence[str], title: str, family_colours: bool = False) -> Figure:
    """Curves of some methods, and ncodec's denoised one in every plot.

    Args:
        summary: of an experiment.
        methods: what to draw; one setting alone is a point. A method without compression is a level.
        title: what the plot says.
        family_colours: colour each curve as its family, not one by one.
    """
    figure, axes = _axes(title, "PSNR against the clean picture, dB")
    colours = cycle(palette.CURVES)
    markers = cycle(MARKERS[1:])
    labels: list[Label] = []
    curves = {method: summary.curve(method) for method in dict.fromkeys([*methods, OURS]) if summary.curve(method)}
    _limits(axes, list(curves.values()), curves.get(OURS, ()))
    for method, curve in curves.items():
        info = info_of(method)
        colour = (
            palette.family_colour(info.family) if family_colours else next(colours) if method != OURS else palette.OURS
        )
        strong = method == OURS
        labels += _curve(axes, curve, short_label_of(method), colour.light, strong, "o" if strong else next(markers))
    labels += [label for method in methods if (label := _level(axes, summary, method))]
    label_curves(axes, labels)
    return figure


def time_quality(summary: Summary, rate_bpp: float = COMPARABLE_RATE_BPP) -> Figure:
    """Every method's PSNR over its total time, at one rate (interpolated; the nearest setting's time)."""
    figure, axes = _axes(
        f"Quality against time at {rate_bpp:g} bpp", f"PSNR against the clean picture at {rate_bpp:g} bpp, dB",
        "denoise + encode + decode, seconds a picture (log scale)", WIDE_IN,
    )  # fmt: skip
    labels = []
    for method in summary.methods:
        mean, psnr = summary.nearest(method, rate_bpp), summary.at(method, rate_bpp)
        if mean is None or psnr is None or not mean.total_s:
            continue
        info = info_of(method)
        colour = palette.family_colour(info.family).light
        strong = method == OURS
        axes.plot([mean.total_s], [psnr], "o", color=colour, ms=8 if strong else 5.5, zorder=4 if strong else 3)
        labels.append(Label(short_label_of(method), mean.total_s, psnr, colour, strong))
    axes.set_xscale("log")
    axes.margins(x=0.22, y=0.12)
    axes.autoscale_view()
    _ticks(axes)
    left = LEFT_IN / WIDE_IN[0]
    axes.set_position((left, 0.12, 0.99 - left, 0.77))
    label_points(axes, labels)
    return figure


def svg_text(figure: Figure, salt: str = "ncodec") -> str:
    """The figure as SVG: text stays text, no date in it; ids are hashed with the salt, the same in every run."""
    target = io.StringIO()
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": salt}):
        figure.savefig(target, format="svg", metadata={"Date": None, "Creator": None})
    text = target.getvalue()
    return text[text.index("<svg") :]


def png_bytes(figure: Figure) -> bytes:
    """The figure as PNG, 2 dots a CSS pixel."""
    target = io.BytesIO()
    figure.savefig(target, format="png", dpi=192, metadata={"Software": None})
    return target.getvalue()


def family_plots(summary: Summary) -> dict[str, Figure]:
    """File stem -> figure: the best of every family, then the families, then time and quality if there are times."""
    best = [method for members in by_family(summary.methods).values() if (method := _best(summary, members))]
    figures = {"rate-distortion": rate_distortion(summary, best, "The best of every family", True)}
    for panel in panels(summary.methods):
        if any(summary.curve(method) for method in panel.methods if method != OURS):
            figures[f"rate-distortion-{panel.name}"] = rate_distortion(summary, panel.methods, panel.title)
    if any(mean.total_s for mean in summary.means):
        figures["time-quality"] = time_quality(summary)
    return figures


def _best(summary: Summary, methods: Iterable[str]) -> str | None:
    """At the comparable rate; where none reaches it, by its best PSNR."""
    top = {name: max((mean.psnr_clean_db or 0 for mean in summary.of(name)), default=0) for name in methods}
    at = {name: psnr for name in top if (psnr := summary.at(name, COMPARABLE_RATE_BPP)) is not None}
    scores = at or {name: psnr for name, psnr in top.items() if psnr}
    return max(scores, key=lambda name: scores[name], default=None)


def _axes(
    title: str, y_label: str, x_label: str = "bits per pixel (log scale)", size_in: tuple[float, float] = SIZE_IN
) -> tuple[Figure, Axes]:
    figure = Figure(figsize=size_in, dpi=96, facecolor=palette.PAPER.light)
    FigureCanvasAgg(figure)  # measures texts
    axes = figure.add_axes((LEFT_IN / size_in[0], 0.12, 0.6, 0.77), facecolor=palette.PAPER.light)
    axes.set_title(title, loc="left", fontsize=SIZE_PT + 3, fontweight="bold", color=palette.INK.light, pad=10)
    axes.set_xlabel(x_label, fontsize=SIZE_PT, color=palette.MUTED.light)
    axes.set_ylabel(y_label, fontsize=SIZE_PT, color=palette.MUTED.light)
    axes.tick_params(colors=palette.MUTED.light, labelsize=SIZE_PT, length=0)
    axes.grid(color=palette.RULE.light, lw=0.7)
    axes.set_axisbelow(True)
    for side in axes.spines.values():
        side.set_visible(False)
    return figure, axes


def _limits(axes: Axes, curves: Sequence[Sequence[Point]], ours: Sequence[Point]) -> None:
    """The rates of all curves up to a highest one, and the PSNRs that matter."""
    points = [point for curve in curves for point in curve if point[0] <= HIGHEST_RATE_BPP]
    ends = [(HIGHEST_RATE_BPP, value_at(curve, HIGHEST_RATE_BPP)) for curve in curves]
    points += [(rate, psnr) for rate, psnr in ends if psnr is not None]
    points = points or [point for curve in curves for point in curve] or [(0.1, 20.0), (1.0, 30.0)]
    top = max(psnr for _, psnr in points)
    bottom = max(min(psnr for _, psnr in points), min([top - HEIGHT_DB, *(psnr - 0.3 for _, psnr in ours)]))
    seen = [rate for rate, psnr in points if psnr >= bottom]
    axes.set_xscale("log")
    axes.set_xlim(min(seen) / 1.12, max(seen) * 1.08)
    axes.set_ylim(bottom - 0.04 * (top - bottom) - 0.05, top + 0.06 * (top - bottom) + 0.05)
    _ticks(axes)


def _ticks(axes: Axes) -> None:
    """On round numbers: as many as are of use on a logarithmic axis."""
    low, high = axes.get_xlim()
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    ticks: list[float] = []
    for steps in TICKS:
        ticks = sorted({float(f"{step}e{decade}") for decade in decades for step in steps})
        ticks = [tick for tick in ticks if low <= tick <= high]
        if len(ticks) >= LEAST_TICKS:
            break
    axes.xaxis.set_major_locator(FixedLocator(ticks))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))


def _curve(axes: Axes, curve: Sequence[Point], text: str, colour: str, strong: bool, marker: str) -> list[Label]:
    """Draw one; its label stands at the last point that is seen, if there is one."""
    rates, psnrs = zip(*curve, strict=True)
    axes.plot(
        rates, psnrs, marker=marker, color=colour, lw=2.6 if strong else 1.5, ms=5.5 if strong else 4.5,
        zorder=4 if strong else 3, markeredgecolor=palette.PAPER.light, markeredgewidth=0.6,
    )  # fmt: skip
    low, high = axes.get_ylim()
    edge = axes.get_xlim()[1]
    ends = [(edge, psnr)] if rates[-1] > edge and (psnr := value_at(curve, edge)) is not None else []
    seen = [point for point in (*curve, *ends) if point[0] <= edge and low <= point[1] <= high]
    return [Label(text, *seen[-1], colour, strong)] if seen else []


def _level(axes: Axes, summary: Summary, method: str) -> Label | None:
    """A dashed line for a method without compression, if it is in sight (the axes grow for a denoiser's)."""
    mean = summary.nearest(method)
    if mean is None or mean.rate_bpp is not None or mean.psnr_clean_db is None:
        return None
    low, high = axes.get_ylim()
    if mean.psnr_clean_db < low:
        return None
    axes.set_ylim(low, max(high, mean.psnr_clean_db + 0.3))
    axes.axhline(mean.psnr_clean_db, color=palette.MUTED.light, lw=1, ls=(0, (4, 3)), zorder=2)
    return Label(f"{short_label_of(method)}, not coded", axes.get_xlim()[1], mean.psnr_clean_db,
                 palette.MUTED.light)  # fmt: skip
