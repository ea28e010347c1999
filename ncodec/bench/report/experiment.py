"""An experiment: rows of a result file that may be compared, with what is told of how they were measured."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ncodec.bench.report.naming import in_float32, in_order, label_of, noise_text
from ncodec.bench.results import read_results
from ncodec.bench.row import Circumstances, Row
from ncodec.bench.selection import Selection, selections
from ncodec.bench.summary import Summary, summarise
from ncodec.weights import releases

REAL = "real"
PREFIX = "bench-"
TIMES = "times-"
"""Files whose names go on so tell times alone: of few pictures and methods, on a machine that does nothing else."""


@dataclass(frozen=True)
class Experiment:
    """Rows that may be compared with each other.

    Attributes:
        name: of the file, without `bench-` and suffix; with the circumstances' id, if the file has several setups.
        found: the rows, and how they were measured.
        summary: their means.
    """

    name: str
    found: Selection
    summary: Summary

    @property
    def about(self) -> Circumstances:
        """How they were measured."""
        return self.found.about

    @property
    def rows(self) -> tuple[Row, ...]:
        """All of them."""
        return self.found.rows

    @property
    def is_real(self) -> bool:
        """Whether the noise was there already."""
        return self.about.noise == REAL

    @property
    def is_timed(self) -> bool:
        """Whether times are taken from it."""
        return self.about.repeats > 0

    @property
    def tells_quality(self) -> bool:
        """Whether rates and PSNRs are taken from it."""
        return not self.name.startswith(TIMES)

    @property
    def title(self) -> str:
        """`kodak-25: 24 pictures, white Gaussian noise, sigma 25, bfloat16`; an older model is named, too."""
        return f"{self.name}: {counted(self.summary)}, {noise_text(self.about.noise)}, {self.setup}"

    @property
    def setup(self) -> str:
        """`bfloat16`, or `bfloat16, older model base-93647309` where that is not the newest release."""
        return self.about.dtype + (f", older model {self.about.model}" if newer_release(self.about.model) else "")


def load_experiments(paths: Iterable[Path]) -> list[Experiment]:
    """All setups of all files that have a picture which all their methods share.

    Raises:
        RequestError, OSError: as `read_results`.
    """
    experiments = []
    for path in paths:
        found = selections(read_results(path))
        name = path.stem.removeprefix(PREFIX)
        for selection in found:
            summary = summarise(selection.rows)
            if summary.pictures:
                full = f"{name} ({selection.about.id})" if len(found) > 1 else name
                experiments.append(Experiment(full, selection, summary))
    return experiments


def newer_release(model: str) -> str:
    """The newest of a released model's name, if that is another one; else empty, as for models of users' own."""
    names = {Path(row.file).stem: row.name for row in releases()}
    newest = [stem for stem, name in names.items() if name == names.get(model)]
    return newest[-1] if newest and newest[-1] != model else ""


def counted(summary: Summary) -> str:
    """`24 pictures`."""
    return plural(len(summary.pictures), "picture")


def plural(count: int, word: str) -> str:
    """`1 thread`, `2 threads`."""
    return f"{count} {word}{'s' if count != 1 else ''}"


def float32_note(methods: Iterable[str], dtype: str) -> str:
    """A sentence on the times of methods whose networks do not run in `dtype`; empty where there are none."""
    labels = "; ".join(label_of(method) for method in in_float32(methods, dtype))
    if not labels:
        return ""
    return (
        f"The hyperprior and Testolina et al.'s network run in float32, as compressai codes with them, not in {dtype}: "
        f"no list of wins holds the times and memory of {labels}."
    )


def about_lines(found: Selection) -> list[tuple[str, str]]:
    """What a reader wants to know of how it was measured: name and text."""
    about = found.about
    weights = ", ".join(f"{name}: {file}" for name, file in sorted(about.weights.items()))
    packages = [f"{name} {version}" for name, version in sorted(about.packages.items())]
    commit, _, changed = (about.commit or "").partition("-")
    at = f" (commit {commit[:8]}{', changed since' if changed else ''})" if commit else ""
    processors = " and ".join(dict.fromkeys(run.cpu for run in (*found.runs, about)))
    outdated = "; ".join(label_of(method) for method in found.outdated)
    apart = in_float32((row.method for row in found.rows), about.dtype)
    why = "measured only with another model, other weights, versions or code"
    newest = newer_release(about.model)
    newer = f"; the newest release is {newest}" if newest else ""
    lines = [
        ("ncodec", f"{about.ncodec}{at}, model {about.model}{newer}"),
        ("other weights", weights),
        ("noise", f"{about.noise}, seed {about.seed}" if about.noise != REAL else noise_text(about.noise)),
        ("machine", f"{processors}, {plural(about.threads, 'thread')}, {about.device}"),
        ("networks in", about.dtype + ("; the hyperprior and Testolina et al.'s in float32" if apart else "")),
        ("times", _times(about.repeats, found.rows)),
        ("libraries", ", ".join([f"torch {about.torch}", f"pillow {about.pillow}", *packages])),
        ("started", _started(found.runs or (about,))),
        ("methods left out", outdated and f"{outdated}: {why}"),
    ]
    return [(name, text) for name, text in lines if text]


def _times(repeats: int, rows: Iterable[Row]) -> str:
    """Of few runs, and of which methods of one alone: see `ncodec.bench.clock`."""
    if repeats == 0:
        return "none measured, nor memory"
    if repeats == 1:
        return "of one run, wall clock, after a warm-up unless it takes long"
    slow = "; ".join(map(label_of, in_order({row.method for row in rows if row.repeats == 1})))
    alone = f"; what takes long ran once, without a warm-up: steps of {slow}" if slow else ""
    return f"medians of {plural(repeats, 'run')} after a warm-up, wall clock{alone}"


def _started(runs: Sequence[Circumstances]) -> str:
    times = ", ".join(sorted(run.started for run in runs))
    return times if len(runs) == 1 else f"{times}: {len(runs)} runs, alike in all that their rows depend on"
