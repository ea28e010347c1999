"""The goals of issue 4: what was to be reached, and what was measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from ncodec.bench.curves import bd_rate, front, is_above, saved_percent
from ncodec.bench.report.experiment import Experiment
from ncodec.bench.report.naming import OURS, REFERENCES, REFINED, label_of
from ncodec.bench.report.tables import Cell, Line, Table, markdown
from ncodec.bench.runtime import Runtime, runtimes
from ncodec.bench.summary import Summary

GOALS_PERCENT = {
    "dncnn-then-avif420": -25.0,
    "dncnn-then-avif444": -25.0,
    "dncnn-then-avif420-ssim": -25.0,
    "dncnn-then-avif444-ssim": -25.0,
    "dncnn-then-jxl": -25.0,
    "bm3d-then-avif420": -30.0,
    "bm3d-then-avif444": -30.0,
    "bm3d-then-avif420-ssim": -30.0,
    "bm3d-then-avif444-ssim": -30.0,
    "avif-denoise": -50.0,
    "hyperprior-then-dncnn": -40.0,
}
"""BD-rate of ncodec's denoised decode against each, at GOALS_NOISE; of files that were refined, too."""
GOALS_NOISE = "gaussian:25"
GOALS_TIMES = {"ncodec-then-dncnn": 5.0, "dncnn-then-avif420": 10.0, "dncnn-then-avif444": 10.0}
"""How many times longer each should take than encoding and denoised decoding."""
FOR_THE_RECORD = "ncodec-then-dncnn"
"""No goal in bits: its file holds the noise."""
BASE_ALONE = ", which encodes the base layer alone"
ONE_FILE = ", both from one file with both layers"
"""Two ways to be faster than FOR_THE_RECORD, which needs both layers."""

TRAINED_HERE = """The hyperprior and Testolina et al.'s network were trained by us; [how far](#training) stands at the \
end. What they lose by may be that as much as their design.
"""
"""Stands wherever they are compared with."""

JUDGED = {True: "met", False: "**missed**", None: "open"}


@dataclass(frozen=True)
class Goal:
    """One of them.

    Attributes:
        what: figure, and whom ncodec is compared with.
        aim, measured: with their units; `measured` says what is known where there is no number.
        is_met: None where that is not known.
        sentence: of both, where it is known.
        is_refined: of files whose encoder searched longer, which says nothing without its time.
    """

    what: str
    aim: str
    measured: str
    is_met: bool | None
    sentence: str = ""
    is_refined: bool = False


def chapter(experiments: Sequence[Experiment]) -> str:
    """Every goal with what was measured, an experiment after the other; those that none has measured are told, too."""
    found = [(experiment, goal) for experiment in experiments for goal in goals_of(experiment)]
    if not found:
        return ""
    told = {goal.what for _, goal in found}
    search = f", {_search(experiments)}"
    lines = [
        _line(goal, f"{experiment.name}, {experiment.setup}", search if goal.is_refined else "")
        for experiment, goal in found
    ]
    lines += [_line(goal, "") for goal in _all_open() if goal.what not in told]
    table = markdown(Table(("ncodec, denoised", "aim", "measured", "", "file"), tuple(lines), frozenset(range(5))))
    measured = {method for experiment in experiments for method in experiment.summary.methods}
    return f"{table}\n{TRAINED_HERE}" if measured & REFERENCES else table


def _line(goal: Goal, file: str, more: str = "") -> Line:
    return Line(tuple(map(Cell, (goal.what, goal.aim, goal.measured + more, JUDGED[goal.is_met], file))))


def _search(experiments: Sequence[Experiment]) -> str:
    """How long the longer search takes for a picture, in the files that have times of it."""
    of_files = [[mean.encode_s for mean in e.summary.of(REFINED) if mean.encode_s] for e in experiments if e.is_timed]
    times = sorted(fmean(found) for found in of_files if found)
    if not times:
        return "its encoder not timed"
    return f"encoded in {_to(f'{times[0]:.1f}', f'{times[-1]:.1f}')} s a picture"


def _to(first: str, last: str) -> str:
    return first if first == last else f"{first} to {last}"


def _all_open() -> list[Goal]:
    bits = [Goal(_bits(method), _at_most(aim), "not measured", None) for method, aim in GOALS_PERCENT.items()]
    times = [(method, how, aim) for method, aim in GOALS_TIMES.items() for how in _ways(method)]
    return bits + [Goal(_time(method, how), _at_least(aim), "not measured", None) for method, how, aim in times]


def goals_of(experiment: Experiment) -> list[Goal]:
    """Those that an experiment answers."""
    if experiment.about.noise != GOALS_NOISE or OURS not in experiment.summary.methods:
        return []
    summary = experiment.summary
    there = summary.methods if experiment.tells_quality else ()
    times = {line.method: line for line in runtimes(experiment.rows) if line.combined == OURS}
    ours = [name for name in (OURS, REFINED) if name in there]
    return [
        *(
            _bits_goal(summary, name, method, aim)
            for name in ours
            for method, aim in GOALS_PERCENT.items()
            if method in there
        ),
        *(
            _time_goal(method, how, _ratio(times, method, how), aim)
            for method, aim in GOALS_TIMES.items()
            if method in times
            for how in _ways(method)
        ),
    ]


def _ways(method: str) -> tuple[str, ...]:
    return (BASE_ALONE, ONE_FILE) if method == FOR_THE_RECORD else ("",)


def _ratio(times: Mapping[str, Runtime], method: str, how: str) -> float:
    """Of a method's total to ncodec's; from one file both have the method's encoder."""
    theirs = times[method]
    if how != ONE_FILE:
        return theirs.ratio
    return theirs.total_s / ((theirs.encode_s or 0) + (times[OURS].decode_s or 0))


def _bits_goal(summary: Summary, name: str, method: str, aim_percent: float) -> Goal:
    """Where the curves share no PSNR, ncodec's smallest file against the other's best says how many bits suffice.

    The goal is a mean over the other's curve: it is met where that file takes so few bits against each of its points.
    More are no miss: how few an equal picture would take, nobody knows.
    """
    ours, theirs = summary.curve(name), front(summary.curve(method))
    delta = bd_rate(theirs, ours)
    what, aim, is_refined = _bits(method, name), _at_most(aim_percent), name == REFINED
    if delta.value is not None:
        measured = f"{delta.value:+.1f} %"
        whose = "" if name == OURS else f" with {label_of(name)}"
        sentence = f"{measured} bits against {label_of(method)}{whose}, aim {aim_percent:+.0f} %"
        return Goal(what, aim, measured, delta.value <= aim_percent, sentence, is_refined)
    if is_above(theirs, ours):
        percent = saved_percent(theirs, ours)
        bits = "which is its smallest" if percent is None else f"with {percent:+.0f} % bits"
        is_met = True if percent is not None and ours[0][0] <= (1 + aim_percent / 100) * theirs[0][0] else None
        return Goal(what, aim, f"ncodec's smallest file is better than its best, {bits}", is_met, is_refined=is_refined)
    return Goal(what, aim, delta.reason, None, is_refined=is_refined)


def _time_goal(method: str, how: str, ratio: float, aim: float) -> Goal:
    sentence = f"{ratio:.1f} times faster than {label_of(method)}{how}, aim {aim:.0f} times"
    return Goal(_time(method, how), _at_least(aim), f"{ratio:.1f}", ratio >= aim, sentence)


def _bits(method: str, name: str = OURS) -> str:
    return f"BD-rate{'' if name == OURS else f' of {label_of(name)},'} against {label_of(method)}"


def _time(method: str, how: str) -> str:
    return f"time of {label_of(method)}, over ncodec's{how}"


def _at_most(percent: float) -> str:
    return f"{percent:+.0f} % or less"


def _at_least(times: float) -> str:
    return f"{times:.0f} or more"
