"""The chapters of docs/benchmarks.md, each of one experiment or of all."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path

from ncodec.bench.curves import bd_psnr, bd_rate
from ncodec.bench.report.costs import costs_in
from ncodec.bench.report.experiment import Experiment, float32_note
from ncodec.bench.report.findings import Finding, opponents
from ncodec.bench.report.goals import FOR_THE_RECORD, goals_of
from ncodec.bench.report.idle import idle
from ncodec.bench.report.naming import OURS, PLAIN, REFINED, in_order, label_of
from ncodec.bench.report.tables import MISSING, Cell, Line, Table, comparable, delta_cells, fixed_rates, markdown
from ncodec.bench.report.tables import runtime as runtime_table
from ncodec.bench.report.verdict import QUALITY, Verdict, verdict
from ncodec.bench.runtime import Runtime, runtimes
from ncodec.bench.summary import Mean, Summary

PUBLISHED = json.loads(Path(__file__).with_name("published.json").read_text(encoding="utf-8"))


def losses(experiment: Experiment) -> str:
    """Goals that were missed, then every aspect in which another method is better."""
    if OURS not in experiment.summary.methods:
        return ""
    missed = [f"* goal missed: {goal.sentence}" for goal in goals_of(experiment) if goal.is_met is False]
    lines = [*missed, *map(_bullet, _verdict(experiment).losses)]
    lines = lines or ["* nowhere, against the methods measured here"]
    return _bullets(experiment, lines)


def wins(experiment: Experiment) -> str:
    """Every aspect in which ncodec is better."""
    lines = [_bullet(finding) for finding in _verdict(experiment).wins]
    return _bullets(experiment, lines) if lines else ""


def bits(experiment: Experiment) -> str:
    """BD-rate and BD-PSNR of ncodec's denoised decode, and of its refined files', against every method with a curve."""
    tables = [_bits_table(experiment.summary, name) for name in (OURS, REFINED)]
    found = "\n".join(filter(None, tables))
    return f"### {experiment.title}\n\n{found}" if found else ""


def _bits_table(summary: Summary, name: str) -> str:
    ours = summary.curve(name) if name in summary.methods else ()
    lines = []
    for method in in_order(opponents(summary)):
        theirs = summary.curve(method)
        if ours and theirs:
            deltas = delta_cells(bd_rate(theirs, ours), bd_psnr(theirs, ours))
            lines.append(Line((Cell(label_of(method) + _remark(method)), *deltas)))
    head = (f"{label_of(name)}, against", "BD-rate", "BD-PSNR", "compared over")
    return markdown(Table(head, tuple(lines), frozenset({0, 3}))) if lines else ""


def equal_bits(experiment: Experiment) -> str:
    """PSNR against the clean picture at fixed rates."""
    table = fixed_rates(experiment.summary)
    return f"### {experiment.title}\n\n{markdown(table)}" if table.lines else ""


def methods(experiment: Experiment) -> str:
    """All figures at the setting nearest to the comparable rate."""
    return f"### {experiment.title}\n\n{markdown(comparable(experiment.summary))}"


def real(experiment: Experiment) -> str:
    """All figures, which denoisers do nothing, and the bits at equal PSNR."""
    bd = bits(experiment).partition("\n\n")[2]
    remarks = [f"*{text}*\n" for text in _idle(experiment)]
    return "\n".join(filter(None, (methods(experiment), *remarks, bd)))


def time(experiments: Iterable[Experiment]) -> str:
    """The runtime table of Testolina et al. (their Table 1) of every experiment, and their own."""
    parts = []
    for experiment in experiments:
        lines = runtimes(experiment.rows)
        if len(lines) < 2:
            continue
        table = _with_both_layers(runtime_table(lines), lines, experiment.summary)
        about = experiment.about
        parts.append(
            f"### {experiment.title}, {about.threads} thread{'s' if about.threads > 1 else ''} of {about.cpu}\n\n"
            f"{_measured_on(experiment.summary, lines)}{_float32(experiment)}\n{markdown(table)}"
        )
    return "\n".join([_TIME_HEAD, *parts, _published()]) if parts else ""


_TIME_HEAD = """Seconds a picture, from a noisy picture to a clean one, means over pictures and settings, as in \
Table 1 of Testolina et al. 2021: what one network does, and under it what does the same in several steps, or after a \
longer search. The last column is the method's total over that of the combined one above it.
"""


def _measured_on(summary: Summary, lines: Sequence[Runtime]) -> str:
    """Pictures and settings, of which times are means."""
    found: dict[tuple[str, ...], list[str]] = {}
    for line in lines:
        found.setdefault(tuple(mean.setting for mean in summary.of(line.method)), []).append(label_of(line.method))
    settings = " ".join(f"Settings {', '.join(some)}: {'; '.join(names)}." for some, names in found.items())
    return f"Pictures: {', '.join(summary.pictures)}. {settings}\n"


def _float32(experiment: Experiment) -> str:
    """A paragraph; nothing where there is nothing to tell."""
    note = float32_note(experiment.summary.methods, experiment.about.dtype)
    return f"\n{note}\n" if note else ""


def _verdict(experiment: Experiment) -> Verdict:
    """Of quality and costs, of those that are taken from it."""
    quality = QUALITY if experiment.tells_quality else ()
    return verdict(experiment.summary, (*quality, *costs_in(experiment.about.dtype)))


def _bullets(experiment: Experiment, lines: Sequence[str]) -> str:
    """With the denoisers that do nothing: of what begins with one of them no figure means what it seems to."""
    return f"### {experiment.title}\n\n" + "\n".join([*lines, *(f"* {text}" for text in _idle(experiment))]) + "\n"


def _idle(experiment: Experiment) -> list[str]:
    return idle(experiment.summary) if experiment.tells_quality else []


def _bullet(finding: Finding) -> str:
    items = "; ".join(f"{item.what}: **{item.figure}**" for item in finding.first)
    return f"* {finding.title}. {items}{f'; {len(finding.rest)} more' if finding.rest else ''}"


def _remark(method: str) -> str:
    return " (for the record: its bytes hold the noise)" if method == FOR_THE_RECORD else ""


def _with_both_layers(table: Table, lines: Sequence[Runtime], summary: Summary) -> Table:
    """One more line: a file that holds the noise, too, decoded denoised; its encoder does more."""
    encode_s = _mean(summary.of(PLAIN), "encode_s")
    decode_s = _mean(summary.of(OURS), "decode_s")
    ours = next((place for place, line in enumerate(lines) if line.method == OURS), None)
    if encode_s is None or decode_s is None or ours is None:
        return table
    total_s = encode_s + decode_s
    figures = (Cell(MISSING), *(Cell(f"{value:.3f}", value) for value in (encode_s, decode_s, total_s)))
    ratio = Cell(f"{total_s / lines[ours].total_s:.2f}")
    line = Line((Cell("ncodec, denoised, from a file with both layers"), *figures, ratio))
    return Table(table.head, (*table.lines[: ours + 1], line, *table.lines[ours + 1 :]), table.texts)


def _mean(means: Sequence[Mean], figure: str) -> float | None:
    values = [getattr(mean, figure) for mean in means]
    return sum(values) / len(values) if values and None not in values else None


def _published() -> str:
    known = PUBLISHED["runtime"]
    combined_s = known["combined_encode_s"] + known["combined_decode_s"]
    total_s = known["denoise_s"] + known["encode_s"] + known["decode_s"]
    head = ("method", "denoise, s", "encode, s", "decode, s", "total, s", "times the combined")
    rows = (
        ("combined", None, known["combined_encode_s"], known["combined_decode_s"], combined_s, None),
        ("cascade", known["denoise_s"], known["encode_s"], known["decode_s"], total_s, total_s / combined_s),
    )
    lines = tuple(
        Line((Cell(name), *(Cell(MISSING if v is None else f"{v:.2f}") for v in values))) for name, *values in rows
    )
    return f"### For comparison: {known['source']}\n\n{markdown(Table(head, lines))}"
