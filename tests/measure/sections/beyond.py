"""Published codecs that `ncodec bench` cannot run: how many bits ncodec needs against them, for docs/benchmarks.md.

That page says first where ncodec loses, so these figures go there from the rows that docs/measurements.md shows.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from measure.results import read
from measure.sections import cheng, kodak
from measure.sections.curve import mean_curve
from measure.sections.markdown import of_kind
from ncodec.bench.curves import Delta

PAGE = "measurements.md"


def comparisons(results: Path) -> dict[str, Any]:
    """Of the result files in a folder, as JSON."""
    found = []
    if (path := results / "cheng.jsonl").exists():
        _, rows = read(path)
        found.append(_comparison("Kodak with camera noise", cheng.ANCHOR, [(cheng.NAME, cheng.delta(rows))]))
    if (path := results / "kodak.jsonl").exists():
        _, rows = read(path)
        deltas = kodak.codec_deltas(mean_curve(of_kind(rows, "picture", sigma=0)))
        found.append(_comparison("Kodak without noise", kodak.CODECS_ANCHOR, deltas))
    return {"comparisons": found}


def _comparison(what: str, anchor: str, deltas: list[tuple[str, Delta]]) -> dict[str, Any]:
    against = [{"name": name, "percent": round(delta.value, 4)} for name, delta in deltas if delta.value is not None]
    return {"what": what, "link": f"{PAGE}#{anchor}", "against": against}
