"""How far the networks of a comparison were trained: from their weights files, found by name and hash."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from safetensors import SafetensorError, safe_open

from ncodec.bench.circumstances import sha8
from ncodec.bench.report.experiment import Experiment
from ncodec.bench.report.tables import Cell, Line, Table, markdown
from ncodec.weights import models_folder


def table(experiments: Iterable[Experiment]) -> str:
    """A line for each of our own weights files; nothing where there is none at hand."""
    records = {}
    for experiment in experiments:
        about = experiment.about
        for name, _, digits in (
            file.partition(" ") for file in (f"{about.model}.safetensors ", *about.weights.values())
        ):
            if name not in records and (record := _record(name, digits)):
                records[name] = record
    lines = (
        Line((Cell(name), Cell(f"{record['lifetime_pixels'] / 1e9:.2f}"), Cell(f"{record['lifetime_steps']:,}")))
        for name, record in sorted(records.items())
    )
    told = Table(("weights", "gigapixels seen", "steps"), tuple(lines), frozenset({0}))
    return markdown(told) if told.lines else ""


def _record(name: str, digits: str) -> dict[str, int] | None:
    """Of a file of ours whose SHA-256 begins with `digits`."""
    folder = models_folder()
    for path in (folder / name, folder / "references" / name):
        if path.is_file() and digits in ("", sha8(path).rpartition(" ")[2]):
            return _metadata(path)
    return None


def _metadata(path: Path) -> dict[str, int] | None:
    try:
        with safe_open(path, "numpy") as file:
            return json.loads((file.metadata() or {})["record"])
    except (OSError, SafetensorError, KeyError, ValueError):
        return None
