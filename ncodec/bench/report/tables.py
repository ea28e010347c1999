"""Tables of a summary, as cells: `report.html` and docs/benchmarks.md are two views of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ncodec.bench.curves import Delta, bd_psnr, bd_rate
from ncodec.bench.report.naming import OURS, in_order, label_of
from ncodec.bench.runtime import Runtime
from ncodec.bench.summary import COMPARABLE_RATE_BPP, FIXED_RATES_BPP, Mean, Summary

MISSING = "-"


@dataclass(frozen=True, slots=True)
class Cell:
    """Text as it is shown; the number to sort by, if it is one; a remark (why a number is missing)."""

    text: str
    value: float | None = None
    remark: str = ""


@dataclass(frozen=True, slots=True)
class Line:
    """A row of cells; `ours` ones stand out."""

    cells: tuple[Cell, ...]
    ours: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """A head and rows; `texts` are the numbers of the columns that are not numbers."""

    head: tuple[str, ...]
    lines: tuple[Line, ...]
    texts: frozenset[int] = frozenset({0})

    def is_number(self, column: int) -> bool:
        """Whether a column is aligned and sorted as numbers."""
        return column not in self.texts


@dataclass(frozen=True, slots=True)
class Column:
    """A figure of means: its name there, what it is called, its digits."""

    figure: str
    title: str
    digits: int


FIGURES = (
    Column("size_bytes", "bytes", 0),
    Column("rate_bpp", "bpp", 3),
    Column("psnr_plain_noisy_db", "PSNR plain:noisy", 2),
    Column("psnr_plain_clean_db", "PSNR plain:clean", 2),
    Column("psnr_denoised_clean_db", "PSNR denoised:clean", 2),
    Column("ssim", "SSIM", 3),
    Column("ms_ssim", "MS-SSIM", 4),
    Column("lpips", "LPIPS", 3),
)
COSTS = (
    Column("denoise_s", "denoise, s", 3),
    Column("encode_s", "encode, s", 3),
    Column("decode_s", "decode, s", 3),
    Column("total_s", "total, s", 3),
    Column("memory_peak_mib", "peak, MiB", 0),
    Column("kmac_per_pixel", "kMAC/px", 0),
)


def number(value: float | None, digits: int = 2, remark: str = "") -> Cell:
    """With so many digits after the point; `-` for what is not there."""
    return Cell(MISSING, None, remark) if value is None else Cell(f"{value:,.{digits}f}", value, remark)


def signed(value: float | None, digits: int, unit: str, remark: str = "") -> Cell:
    """A difference: +1.5 %."""
    return Cell(MISSING, None, remark) if value is None else Cell(f"{value:+,.{digits}f}{unit}", value, remark)


def comparable(summary: Summary, methods: Sequence[str] | None = None, columns: Iterable[Column] = FIGURES) -> Table:
    """Every method at the setting nearest to the comparable rate, costs included."""
    names = in_order(summary.methods) if methods is None else methods
    means = [mean for name in names if (mean := summary.nearest(name, COMPARABLE_RATE_BPP))]
    return _means_table(means, (*columns, *COSTS))


def everything(summary: Summary) -> Table:
    """All methods and settings."""
    return _means_table(summary.means, (*FIGURES, *COSTS))


def fixed_rates(summary: Summary, methods: Sequence[str] | None = None) -> Table:
    """PSNR against the clean picture at fixed rates, interpolated, of the methods that reach one of them."""
    head = ("method", *(f"{rate:g} bpp" for rate in FIXED_RATES_BPP))
    lines = []
    for method in in_order(summary.methods) if methods is None else methods:
        values = [summary.at(method, rate) for rate in FIXED_RATES_BPP]
        if any(value is not None for value in values):
            lines.append(Line((Cell(label_of(method)), *map(number, values)), method == OURS))
    return Table(head, tuple(lines))


def against(summary: Summary, anchor: str) -> Table:
    """BD-rate and BD-PSNR of every method against the anchor, and the PSNRs over which."""
    lines = []
    for method in in_order(summary.methods):
        if summary.curve(method) and method != anchor:
            rate = bd_rate(summary.curve(anchor), summary.curve(method))
            psnr = bd_psnr(summary.curve(anchor), summary.curve(method))
            lines.append(Line((Cell(label_of(method)), *delta_cells(rate, psnr)), method == OURS))
    return Table(("method", "BD-rate", "BD-PSNR", "compared over"), tuple(lines), frozenset({0, 3}))


def runtime(lines: Iterable[Runtime]) -> Table:
    """Seconds a picture, as Testolina et al. 2021 tell them in their Table 1, means over pictures and settings."""
    rows = [
        Line(
            (
                Cell(label_of(line.method)),
                *(number(step, 3) for step in (line.denoise_s, line.encode_s, line.decode_s, line.total_s)),
                Cell("") if line.method == line.combined else Cell(f"{line.ratio:.2f}", line.ratio),
            ),
            line.method == line.combined,
        )
        for line in lines
    ]
    return Table(("method", "denoise, s", "encode, s", "decode, s", "total, s", "times the combined"), tuple(rows))


def delta_cells(rate: Delta, psnr: Delta) -> tuple[Cell, Cell, Cell]:
    """BD-rate, BD-PSNR, and the PSNRs that both curves reach or why there are none."""
    span = f"{rate.lowest:.1f} to {rate.highest:.1f} dB{rate.few}" if rate.points > 1 else f"at {rate.lowest:.1f} dB"
    over = rate.reason if rate.value is None else span
    rate_cell = signed(rate.value, 1, " %", rate.reason)
    return rate_cell, signed(psnr.value, 2, " dB", psnr.reason), Cell(over)


def markdown(table: Table) -> str:
    """The table in Markdown, ours in bold."""
    rule = "|" + "".join("---:|" if table.is_number(column) else "---|" for column in range(len(table.head)))
    return "\n".join([_row(table.head), rule, *(_row(_texts(line)) for line in table.lines)]) + "\n"


def _means_table(means: Sequence[Mean], columns: Sequence[Column]) -> Table:
    """Columns that no mean has a figure for are left out."""
    used = [column for column in columns if any(getattr(mean, column.figure) is not None for mean in means)]
    lines = tuple(
        Line(
            (Cell(label_of(mean.method)), Cell(mean.setting), *(_figure(mean, column) for column in used)),
            mean.method == OURS,
        )
        for mean in means
    )
    return Table(("method", "setting", *(column.title for column in used)), lines, frozenset({0, 1}))


def _figure(mean: Mean, column: Column) -> Cell:
    return number(getattr(mean, column.figure), column.digits)


def _texts(line: Line) -> list[str]:
    first, *others = (cell.text.replace("|", "\\|") for cell in line.cells)
    return [f"**{first}**" if line.ours else first, *others]


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"
