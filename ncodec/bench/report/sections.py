"""The chapters of docs/benchmarks.md, each of one experiment or of all."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path

from ncodec.bench.curves import bd_psnr, bd_rate, front
from ncodec.bench.report.experiment import Experiment
from ncodec.bench.report.naming import OURS, PLAIN, in_order, label_of
from ncodec.bench.report.tables import MISSING, Cell, Line, Table, comparable, delta_cells, fixed_rates, markdown
from ncodec.bench.report.tables import runtime as runtime_table
from ncodec.bench.report.verdict import Finding, opponents, verdict
from ncodec.bench.runtime import Runtime, runtimes
from ncodec.bench.summary import Mean, Summary

PUBLISHED = json.loads(Path(__file__).with_name("published.json").read_text(encoding="utf-8"))

GOALS_PERCENT = {
    "dncnn-then-avif420": -25.0,
    "dncnn-then-avif444": -25.0,
    "dncnn-then-jxl": -25.0,
    "bm3d-then-avif420": -30.0,
    "bm3d-then-avif444": -30.0,
    "avif-denoise": -50.0,
    "hyperprior-then-dncnn": -40.0,
}
"""BD-rate of ncodec's denoised decode against each, as issue 4 sets it, at GOALS_NOISE."""
GOALS_NOISE = "gaussian:25"
GOALS_TIMES = {"ncodec-then-dncnn": 5.0, "dncnn-then-avif420": 10.0, "dncnn-then-avif444": 10.0}
"""How many times longer each should take than encoding and denoised decoding."""
FOR_THE_RECORD = "ncodec-then-dncnn"


def losses(experiment: Experiment) -> str:
    """Goals that were missed, then every aspect in which another method is better."""
    if OURS not in experiment.summary.methods:
        return ""
    lines = [*_missed(experiment), *map(_bullet, verdict(experiment.summary).losses)]
    return f"### {experiment.title}\n\n" + ("\n".join(lines) or "* nowhere, against the methods measured here") + "\n"


def wins(experiment: Experiment) -> str:
    """Every aspect in which ncodec is better."""
    lines = [_bullet(finding) for finding in verdict(experiment.summary).wins]
    return f"### {experiment.title}\n\n" + "\n".join(lines) + "\n" if lines else ""


def bits(experiment: Experiment) -> str:
    """BD-rate and BD-PSNR of ncodec's denoised decode against every method with a curve."""
    summary, has_goals = experiment.summary, experiment.about.noise == GOALS_NOISE
    lines = []
    for method in in_order(opponents(summary)):
        if not summary.curve(method):
            continue
        rate = bd_rate(summary.curve(method), summary.curve(OURS))
        psnr = bd_psnr(summary.curve(method), summary.curve(OURS))
        cells = [Cell(label_of(method) + _remark(method)), *delta_cells(rate, psnr)]
        if has_goals:
            goal = GOALS_PERCENT.get(method)
            cells.append(Cell("" if goal is None else f"{goal:+.0f} %: {_met(summary, method, goal)}"))
        lines.append(Line(tuple(cells)))
    if not lines or not summary.curve(OURS):
        return ""
    head = ("ncodec against", "BD-rate", "BD-PSNR", "compared over", *(("goal",) if has_goals else ()))
    return f"### {experiment.title}\n\n{markdown(Table(head, tuple(lines), frozenset({0, 3, 4})))}"


def equal_bits(experiment: Experiment) -> str:
    """PSNR against the clean picture at fixed rates."""
    table = fixed_rates(experiment.summary)
    return f"### {experiment.title}\n\n{markdown(table)}" if table.lines else ""


def methods(experiment: Experiment) -> str:
    """All figures at the setting nearest to the comparable rate."""
    return f"### {experiment.title}\n\n{markdown(comparable(experiment.summary))}"


def real(experiment: Experiment) -> str:
    """All figures, and the bits at equal PSNR."""
    bd = bits(experiment).partition("\n\n")[2]
    return f"{methods(experiment)}\n{bd}"


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
            f"{markdown(table)}\n{_time_goals(lines)}"
        )
    return "\n".join([_TIME_HEAD, *parts, _published()]) if parts else ""


_TIME_HEAD = """Seconds a picture, from a noisy picture to a clean one, means over pictures and settings, as in \
Table 1 of Testolina et al. 2021: what one network does, and under it what does the same in several steps. The last \
column is the method's total over that of the combined one above it.
"""


def _missed(experiment: Experiment) -> list[str]:
    if experiment.about.noise != GOALS_NOISE:
        return []
    summary = experiment.summary
    lines = []
    for method, goal in GOALS_PERCENT.items():
        value = bd_rate(summary.curve(method), summary.curve(OURS)).value
        if value is not None and value > goal:
            lines.append(f"* goal missed: {value:+.1f} % bits against {label_of(method)}, aim {goal:+.0f} %")
    ratios = {line.method: line.ratio for line in runtimes(experiment.rows) if line.combined == OURS}
    for method, goal in GOALS_TIMES.items():
        if method in ratios and ratios[method] < goal:
            lines.append(
                f"* goal missed: {ratios[method]:.1f} times faster than {label_of(method)}, aim {goal:.0f} times"
            )
    return lines


def _bullet(finding: Finding) -> str:
    items = "; ".join(f"{item.what}: **{item.figure}**" for item in finding.first)
    return f"* {finding.title}. {items}{f'; {len(finding.rest)} more' if finding.rest else ''}"


def _met(summary: Summary, method: str, goal: float) -> str:
    """Also where the curves share no PSNR, if ncodec's worst picture is better than the other's best, and smaller."""
    ours, theirs = summary.curve(OURS), front(summary.curve(method))
    value = bd_rate(theirs, ours).value
    if value is None:
        above = theirs and ours[0][1] > theirs[-1][1] and ours[0][0] < theirs[-1][0]
        return "met, ncodec's smallest file is better than its best" if above else "no answer"
    return "met" if value <= goal else "missed"


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


def _time_goals(lines: Sequence[Runtime]) -> str:
    told = [
        f"* {label_of(line.method)}: {line.ratio:.1f} times the time, aim at least {goal:.0f}: "
        f"{'met' if line.ratio >= goal else 'missed'}"
        for line in lines
        if line.combined == OURS and (goal := GOALS_TIMES.get(line.method))
    ]
    return "\n".join(told) + "\n" if told else ""


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
