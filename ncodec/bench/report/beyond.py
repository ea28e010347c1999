"""Where other measurements than `ncodec bench` found ncodec behind: from a small result file beside those of it.

`tests/measure/report.py` writes it, with the figures that docs/measurements.md shows.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ncodec.bench.report.findings import LEAST_PERCENT
from ncodec.errors import RequestError

FILE = "beyond.json"


def losses(results: Iterable[Path]) -> str:
    """A part of the chapter; empty where no such file lies beside the result files, or ncodec is behind nowhere.

    Raises:
        RequestError: it is of another kind.
        OSError: it cannot be read.
    """
    paths = dict.fromkeys(path.with_name(FILE) for path in results)
    lines = [line for path in paths if path.exists() for line in map(_line, _read(path)) if line]
    return "### Beyond `ncodec bench`\n\n" + "".join(lines) if lines else ""


def _read(path: Path) -> list[dict[str, Any]]:
    """Comparisons; `against` are pairs of percent and name."""
    try:
        return [
            each | {"against": [(float(one["percent"]), one["name"]) for one in each["against"]]}
            for each in json.loads(path.read_text(encoding="utf-8"))["comparisons"]
        ]
    except (ValueError, KeyError, TypeError) as err:
        raise RequestError(f"{path} is not of measure.report ({err})") from err


def _line(comparison: dict[str, Any]) -> str:
    behind = sorted((one for one in comparison["against"] if one[0] > LEAST_PERCENT), reverse=True)
    if not behind:
        return ""
    items = "; ".join(f"{name}: **{percent:+.1f} %**" for percent, name in behind)
    return (
        f"* {comparison['what']}: ncodec needs more bits at equal PSNR (its BD-rate) than others' published points. "
        f"{items} ([measured]({comparison['link']}))\n"
    )
