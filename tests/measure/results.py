"""Result files: JSON lines, the first of which tells the circumstances of all that follow (style.md, habit 19)."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import math
import os
import platform
import tomllib
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch

from ncodec.bench.circumstances import commit, cpu_name
from ncodec.device import choose_device, transform_dtype
from ncodec.weights import models_folder, releases

Row = dict[str, Any]

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "docs" / "results"
DECISIVE = ("ncodec", "models/manifest.json")
"""What has a say in the figures here: training, too."""
PACKAGES = ("torch", "numpy", "constriction", "pillow", "compressai")
DIGITS = 7
"""Significant digits of a number in a result file."""


def circumstances(script: str, model: str | Path, **more: Any) -> Row:
    """What a run was made with; every later row of its file belongs to it.

    Args:
        script: its name.
        model: name of a released model, or path of a weights file.
        more: what only this script has: threads, processes, seeds, repeats.
    """
    device = choose_device("cpu")
    return {
        "kind": "circumstances",
        "script": script,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "ncodec": ncodec_version(),
        "commit": commit(DECISIVE) or "",
        "model": model_record(model),
        "python": platform.python_version(),
        "packages": {name: importlib.metadata.version(name) for name in PACKAGES},
        "cpu": cpu_name(),
        "cpus": os.cpu_count(),
        "device": str(device),
        "dtype": str(transform_dtype(device)).removeprefix("torch."),
        "openmp": {name: value for name, value in sorted(os.environ.items()) if name.startswith(("OMP_", "GOMP_"))},
        "load_before": round(os.getloadavg()[0], 2),
        "threads": torch.get_num_threads(),
    } | more


def write(path: Path, rows: Iterable[Row]) -> None:
    """All rows at once, the circumstances first; an older file of the name goes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    part.write_text("".join(json.dumps(_rounded(row), allow_nan=False) + "\n" for row in rows), encoding="utf-8")
    part.replace(path)


def read(path: Path) -> tuple[Row, list[Row]]:
    """The circumstances, and the rows. Raises ValueError if the file does not begin with circumstances."""
    first, *rows = (json.loads(line) for line in path.read_text(encoding="utf-8").splitlines())
    if first["kind"] != "circumstances":
        raise ValueError(f"{path} does not begin with its circumstances")
    return first, rows


def model_record(model: str | Path) -> Row:
    """The manifest's row of a released model, with its id; of any other weights file its id and name."""
    known = [row for row in releases() if row.kind == "base" and model in (row.name, Path(row.file).stem)]
    if not known:
        digest = hashlib.sha256(Path(model).read_bytes()).hexdigest()
        return {"id": digest[:16], "file": Path(model).name}
    manifest = json.loads((models_folder() / "manifest.json").read_text(encoding="utf-8"))
    (row,) = (row for row in manifest["models"] if row["sha256"] == known[-1].sha256)
    return {"id": known[-1].id.hex()} | row


def ncodec_version() -> str:
    """Of the checkout, which is what runs; an installed package beside it may be older."""
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        if value == 0 or not math.isfinite(value):
            return value
        return round(value, DIGITS - 1 - math.floor(math.log10(abs(value))))
    if isinstance(value, dict):
        return {key: _rounded(part) for key, part in value.items()}
    return [_rounded(part) for part in value] if isinstance(value, list | tuple) else value
