"""`report.html` and the plots beside it, of the results of a comparison."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from matplotlib.figure import Figure

from ncodec.bench.curves import bd_rate, has_measures
from ncodec.bench.report import palette, tables
from ncodec.bench.report.costs import costs_in, without_float32
from ncodec.bench.report.embed import CASCADES, Album, embed, find_scenes
from ncodec.bench.report.experiment import about_lines, counted, float32_note
from ncodec.bench.report.findings import opponents
from ncodec.bench.report.idle import idle
from ncodec.bench.report.naming import NOISY, OURS, PLAIN, label_of, noise_text
from ncodec.bench.report.plots import family_plots, png_bytes, svg_text
from ncodec.bench.report.verdict import QUALITY, verdict
from ncodec.bench.runtime import runtimes
from ncodec.bench.selection import Selection
from ncodec.bench.summary import COMPARABLE_RATE_BPP, Summary, summarise
from ncodec.bench.viewer import CLEAN
from ncodec.errors import RequestError

TEMPLATES = Path(__file__).parent / "templates"
PAGE = "report.html"
NEAR_DB = 0.5
"""Who is not much worse than ncodec is asked for the time that it takes."""


@dataclass(frozen=True, slots=True)
class Fact:
    """A headline figure: what, how much, and beside what."""

    title: str
    value: str
    beside: str


@dataclass(frozen=True, slots=True)
class Plot:
    """A plot in the page: its file's name, what it shows, the drawing in the page's colours."""

    name: str
    title: str
    svg: Markup


def write_report(found: Selection, pictures: Path, out: Path, anchor: str) -> None:
    """Write `report.html`, which needs nothing but itself, and every plot as SVG and PNG.

    Args:
        found: rows of `ncodec bench`.
        pictures: folder that it wrote pictures to; need not be there.
        out: folder, made if it is not there.
        anchor: method that rates are compared with.

    Raises:
        RequestError: there is no picture that all methods have.
        OSError: it cannot be written.
    """
    summary = summarise(found.rows)
    if not summary.pictures:
        raise RequestError("the results hold no picture that all methods have")
    figures = family_plots(summary)
    out.mkdir(parents=True, exist_ok=True)
    for name, figure in figures.items():
        _write(out / f"{name}.svg", svg_text(figure).encode())
        _write(out / f"{name}.png", png_bytes(figure))
    album = embed(find_scenes(pictures, found.rows))
    _write(out / PAGE, page(found, summary, figures, album, anchor).encode())


def page(
    found: Selection,
    summary: Summary,
    figures: Mapping[str, Figure],
    album: Album,
    anchor: str,
) -> str:
    """The whole HTML page."""
    return _environment().get_template("report.html.j2").render(
        title=f"{counted(summary)}, {noise_text(found.about.noise)}",
        methods=len(summary.methods),
        left_out=len(summary.left_out),
        timed=found.about.repeats > 0,
        facts=facts(summary, found.about.dtype),
        verdict=verdict(summary, (*QUALITY, *costs_in(found.about.dtype))),
        idle=idle(summary),
        album=album,
        panes=panes(album),
        right=OURS if OURS in album.methods else CLEAN,
        plots=[Plot(name, figure.axes[0].get_title("left"), inline(figure, name)) for name, figure in figures.items()],
        rate=COMPARABLE_RATE_BPP,
        anchor=label_of(anchor),
        comparable=tables.comparable(summary),
        against=tables.against(summary, anchor) if has_measures() and summary.curve(anchor) else None,
        fixed=tables.fixed_rates(summary),
        runtime=tables.runtime(runtimes(found.rows)),
        runtime_note=float32_note(summary.methods, found.about.dtype),
        everything=tables.everything(summary),
        circumstances=about_lines(found),
        css=Markup(_source("report.css")),
        script=Markup(_source("report.js") + _source("viewer.js")),
        light=Markup(palette.css(dark=False)),
        dark=Markup(palette.css(dark=True)),
    )  # fmt: skip


def inline(figure: Figure, name: str) -> Markup:
    """A plot as part of a page: the page's colours, and no id that another plot has, too."""
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg_text(figure, salt=name), flags=re.DOTALL)
    svg = re.sub(r'<g id="[^"]*"', "<g", svg)
    return Markup(palette.themed(svg))


def panes(album: Album) -> list[str]:
    """What stands side by side at first: noisy, plain, denoised, a cascade, clean, as far as there are pictures."""
    cascade = next((method for method in CASCADES if method in album.methods), "")
    return [method for method in (NOISY, PLAIN, OURS, cascade, CLEAN) if method in album.methods]


def facts(summary: Summary, dtype: str) -> list[Fact]:
    """What ncodec's denoised decode has and costs, beside the best of the others; as far as it was measured."""
    found: list[Fact] = []
    psnr, mean = summary.at(OURS, COMPARABLE_RATE_BPP), summary.nearest(OURS)
    there = {m: v for m in opponents(summary) if (v := summary.at(m, COMPARABLE_RATE_BPP)) is not None}
    if psnr is not None:
        best = max(there, key=lambda method: there[method], default=None)
        beside = f"the best of the others {there[best]:.2f} dB: {label_of(best)}" if best else ""
        found.append(Fact(f"PSNR at {COMPARABLE_RATE_BPP:g} bpp", f"{psnr:.2f} dB", beside))
    deltas = {
        m: d for m in opponents(summary) if (d := bd_rate(summary.curve(m), summary.curve(OURS)).value) is not None
    }
    if deltas:
        worst = max(deltas, key=lambda method: deltas[method])
        beside = f"against the best of the others: {label_of(worst)}"
        found.append(Fact("Bits at equal PSNR", f"{deltas[worst]:+.1f} %", beside))
    if mean and mean.total_s and psnr is not None:
        timed = without_float32(summary, dtype)
        near = {m: near.total_s for m in there if there[m] > psnr - NEAR_DB and (near := timed.nearest(m))}
        times = {method: time_s for method, time_s in near.items() if time_s}
        best = min(times, key=lambda method: times[method], default=None)
        beside = (
            f"the fastest of those at most {NEAR_DB} dB worse: {times[best]:.2f} s ({label_of(best)})" if best else ""
        )
        found.append(Fact("Encoding and denoised decoding", f"{mean.total_s:.2f} s", beside))
    noisy = summary.nearest(NOISY)
    if noisy and noisy.psnr_clean_db is not None:
        found.append(Fact("PSNR of the noisy input", f"{noisy.psnr_clean_db:.2f} dB", "before anything is done to it"))
    return found


def _environment() -> Environment:
    return Environment(
        loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip


def _source(name: str) -> str:
    return (TEMPLATES / name).read_text(encoding="utf-8")


def _write(path: Path, data: bytes) -> None:
    """All or nothing."""
    part = path.with_name(path.name + ".part")
    part.write_bytes(data)
    part.replace(path)
