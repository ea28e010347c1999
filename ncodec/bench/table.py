"""Tables for a terminal: as many columns as it has room for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import Console
from rich.measure import Measurement
from rich.table import Table

from ncodec.bench.curves import bd_psnr, bd_rate, has_measures
from ncodec.bench.methods import METHODS
from ncodec.bench.row import Circumstances, Row
from ncodec.bench.runtime import runtimes
from ncodec.bench.summary import COMPARABLE_RATE_BPP, Mean, Summary, summarise

NONE = "-"
OURS = "ncodec-denoised"
FAMILY = {method.name: method.family for method in METHODS}
ORDER = {method.name: place for place, method in enumerate(METHODS)}
WIDE = 1000
LEAST, LESS, ALL = range(3)
COLUMNS = {
    "setting": ALL, "bpp": LEAST, "plain:\nnoisy": LESS, "plain:\nclean": LEAST, "denoised:\nclean": LEAST,
    "SSIM": ALL, "MS-\nSSIM": ALL, "LPIPS": ALL, "BD-\nrate": LEAST, "BD-\nPSNR": LESS, "denoise\ns": ALL,
    "encode\ns": LESS, "decode\ns": LESS, "total\ns": LEAST, "MiB": ALL, "kMAC\n/pixel": ALL,
}  # fmt: skip
"""Heads, and with how much room they are shown."""
OPTIONAL = {
    "LPIPS": "lpips", "denoise\ns": "denoise_s", "encode\ns": "total_s", "decode\ns": "total_s", "total\ns": "total_s",
    "MiB": "memory_peak_mib",
}  # fmt: skip
"""Heads of what is not always measured, and the figure without which they are left out."""
MEASURES = ("BD-\nrate", "BD-\nPSNR")


def tables(rows: Sequence[Row], circumstances: Circumstances, anchor: str, console: Console) -> Iterator[Table]:
    """The methods, and the runtimes of those that do the same.

    Args:
        rows: of these circumstances.
        circumstances: that are told under the table.
        anchor: name of the method that rates are compared with.
        console: that they are for.
    """
    summary = summarise(rows)
    for room in (ALL, LESS, LEAST):
        table = _methods(summary, circumstances, anchor, room)
        if room == LEAST or _width(table) <= console.width:
            yield table
            break
    if len(runtimes(rows)) > 1:
        yield _runtimes(rows, circumstances)


def _methods(summary: Summary, about: Circumstances, anchor: str, room: int) -> Table:
    table = Table(title=_title(summary, about), caption=_caption(about, anchor))
    table.add_column("method", no_wrap=True)
    shown = [head for head, least in COLUMNS.items() if least <= room and _is_measured(summary, head)]
    for head in shown:
        table.add_column(head, justify="right", no_wrap=True)
    before = None
    for method in sorted(summary.methods, key=lambda name: ORDER.get(name, len(ORDER))):
        mean = summary.nearest(method)
        if mean is None:
            continue
        if before is not None and FAMILY.get(before) != FAMILY.get(method):
            table.add_section()
        before = method
        cells = dict(zip(COLUMNS, _cells(summary, mean, anchor), strict=True))
        table.add_row(method, *(cells[head] for head in shown), style="bold" if method == OURS else "")
    return table


def _is_measured(summary: Summary, head: str) -> bool:
    if head in MEASURES:
        return has_measures()
    figure = OPTIONAL.get(head)
    return figure is None or any(getattr(mean, figure) is not None for mean in summary.means)


def _width(table: Table) -> int:
    """Characters in a line of it; on a console that is too narrow rich would say that it fits."""
    wide = Console(width=WIDE)
    return Measurement.get(wide, wide.options, table).maximum


def _title(summary: Summary, about: Circumstances) -> str:
    count = f"{len(summary.pictures)} picture{'s' if len(summary.pictures) != 1 else ''}"
    left = f" ({len(summary.left_out)} more not complete)" if summary.left_out else ""
    return f"{count}{left}, noise {about.noise}: every method at its setting nearest to {COMPARABLE_RATE_BPP} bpp"


def _caption(about: Circumstances, anchor: str) -> str:
    threads = f"{about.threads} thread{'s' if about.threads > 1 else ''}"
    times = f"Times a picture, {threads}" if about.repeats else "No times were measured"
    measures = f" BD-rate and BD-PSNR: against {anchor}, over all settings." if has_measures() else ""
    return (
        f"PSNR in dB; figures are means over the pictures.{measures} "
        f"{times}, {about.dtype}, {about.device}, {about.cpu}."
    )


def _cells(summary: Summary, mean: Mean, anchor: str) -> list[str]:
    """In the order of COLUMNS."""
    rate = psnr = None
    if mean.rate_bpp is not None and mean.method != anchor:
        ours, theirs = summary.curve(mean.method), summary.curve(anchor)
        rate, psnr = bd_rate(theirs, ours).value, bd_psnr(theirs, ours).value
    psnrs = (mean.psnr_plain_noisy_db, mean.psnr_plain_clean_db, mean.psnr_denoised_clean_db)
    return [
        mean.setting if mean.rate_bpp is not None else NONE,
        _number(mean.rate_bpp, 3),
        *(_number(value, 2) for value in psnrs),
        *(_number(value, 3) for value in (mean.ssim, mean.ms_ssim, mean.lpips)),
        NONE if rate is None else f"{rate:+.1f} %",
        NONE if psnr is None else f"{psnr:+.2f}",
        *(_number(value, 3) for value in (mean.denoise_s, mean.encode_s, mean.decode_s, mean.total_s)),
        _number(mean.memory_peak_mib, 0),
        _number(mean.kmac_per_pixel, 0),
    ]


def _runtimes(rows: Sequence[Row], about: Circumstances) -> Table:
    table = Table(
        title="Seconds a picture, from noisy pixels to denoised ones",
        caption=f"Means over pictures and settings, {about.dtype}. Ratios are to the first line of each group.",
    )
    table.add_column("method", no_wrap=True)
    for head in ("denoise", "encode", "decode", "total", "ratio"):
        table.add_column(head, justify="right", no_wrap=True)
    for line in runtimes(rows):
        is_first = line.method == line.combined
        if is_first:
            table.add_section()
        times = (line.denoise_s, line.encode_s, line.decode_s, line.total_s)
        cells = [*(_number(value, 3) for value in times), f"{line.ratio:.2f}"]
        table.add_row(line.method, *cells, style="bold" if is_first else "")
    return table


def _number(value: float | None, digits: int) -> str:
    return NONE if value is None else f"{value:,.{digits}f}"
