"""An experiment: the rows of one circumstance of a result file, with what is told of how they were measured."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from ncodec.bench.report.naming import noise_text
from ncodec.bench.row import Circumstances, Row, read_results
from ncodec.bench.summary import Summary, summarise

REAL = "real"
PREFIX = "bench-"


@dataclass(frozen=True)
class Experiment:
    """Rows that may be compared with each other.

    Attributes:
        name: of the file, without `bench-` and suffix; with the circumstances' id, if the file has several.
        about: how they were measured.
        rows: all of them.
        summary: their means.
    """

    name: str
    about: Circumstances
    rows: tuple[Row, ...]
    summary: Summary

    @property
    def is_real(self) -> bool:
        """Whether the noise was there already."""
        return self.about.noise == REAL

    @property
    def title(self) -> str:
        """`kodak-25: 24 pictures, white Gaussian noise, sigma 25`."""
        return f"{self.name}: {counted(self.summary)}, {noise_text(self.about.noise)}, {self.about.dtype}"


def load_experiments(paths: Iterable[Path]) -> list[Experiment]:
    """All circumstances of all files that have a picture which all their methods share.

    Raises:
        RequestError, OSError: as `read_results`.
    """
    found = []
    for path in paths:
        results = read_results(path)
        name = path.stem.removeprefix(PREFIX)
        several = len({row.circumstances for row in results.rows}) > 1
        for key, about in results.circumstances.items():
            rows = tuple(row for row in results.rows if row.circumstances == key)
            summary = summarise(rows)
            if summary.pictures:
                found.append(Experiment(f"{name} ({key})" if several else name, about, rows, summary))
    return found


def counted(summary: Summary) -> str:
    """`24 pictures`."""
    count = len(summary.pictures)
    return f"{count} picture{'s' if count > 1 else ''}"


def about_lines(about: Circumstances) -> list[tuple[str, str]]:
    """What a reader wants to know of how it was measured: name and text."""
    weights = ", ".join(f"{name}: {file}" for name, file in sorted(about.weights.items()))
    packages = [f"{name} {version}" for name, version in sorted(about.packages.items())]
    commit, _, changed = (about.commit or "").partition("-")
    at = f" (commit {commit[:8]}{', changed since' if changed else ''})" if commit else ""
    lines = [
        ("ncodec", f"{about.ncodec}{at}, model {about.model}"),
        ("other weights", weights),
        ("noise", f"{about.noise}, seed {about.seed}" if about.noise != REAL else noise_text(about.noise)),
        ("machine", f"{about.cpu}, {about.threads} thread{'s' if about.threads > 1 else ''}, {about.device}"),
        ("networks in", about.dtype),
        ("times", f"medians of {about.repeats} run{'s' if about.repeats > 1 else ''} after a warm-up, wall clock"),
        ("libraries", ", ".join([f"torch {about.torch}", f"pillow {about.pillow}", *packages])),
        ("started", about.started),
    ]
    return [(name, text) for name, text in lines if text]
