"""Result files: JSON lines, one for the circumstances of each run, one for each row."""

from __future__ import annotations

import json
import math
import os
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from ncodec.bench.identity import Identities
from ncodec.bench.row import Circumstances, Figures, Row
from ncodec.errors import RequestError

FIGURES = [figure.name for figure in fields(Figures)]
DIGITS = 7
"""Significant digits of a number in a result file."""


@dataclass(frozen=True)
class Results:
    """What a result file holds.

    Attributes:
        circumstances: by id, in order of their appearance.
        rows: in order.
    """

    circumstances: dict[str, Circumstances]
    rows: tuple[Row, ...]


def read_results(path: Path) -> Results:
    """Read a result file. A last line that was cut off (by a power failure, a kill) is passed over.

    Raises:
        RequestError: a line is not of a result file of `ncodec bench`.
        OSError: it cannot be read.
    """
    circumstances: dict[str, Circumstances] = {}
    rows: list[Row] = []
    whole = path.read_bytes().rpartition(b"\n")[0]
    for number, line in enumerate(whole.splitlines(), 1):
        try:
            record = json.loads(line)
            kind, claimed = record.pop("kind"), record.pop("id", None)
            if kind == "circumstances":
                circumstances[claimed] = Circumstances(**record)
            elif kind == "row":
                rows.append(_row(record, circumstances))
            else:
                raise ValueError(f"kind {kind!r}")
        except (ValueError, TypeError, KeyError, AttributeError) as err:
            raise RequestError(f"{path}, line {number}: not a result of ncodec bench ({err})") from err
    return Results(circumstances, tuple(rows))


def write_results(path: Path, results: Results) -> None:
    """Write a whole result file, all or nothing."""
    part = path.with_name(path.name + ".part")
    part.write_bytes(b"".join(_line(_record(each)) for each in (*results.circumstances.values(), *results.rows)))
    part.replace(path)


class ResultFile:
    """A result file that grows line by line: whatever ends the run, what it holds is valid.

    Args:
        path: of the file; it and its folder are made if they are not there.

    Attributes:
        circumstances: by id, of all rows.
        rows: those that were there, and those that were added.

    Raises:
        RequestError, OSError: as `read_results`.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        found = read_results(path) if path.exists() else Results({}, ())
        self.rows = list(found.rows)
        self.circumstances = dict(found.circumstances)
        self._identities = Identities(self.circumstances)
        self._measured = {(self._identities.of(row), row.thing): row for row in found.rows}
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o666)
        os.ftruncate(self._fd, path.read_bytes().rfind(b"\n") + 1)

    def __enter__(self) -> ResultFile:
        return self

    def __exit__(self, *error: object) -> None:
        os.close(self._fd)

    def find(self, wanted: Row) -> Row | None:
        """A row of the same thing that holds under the circumstances of the wanted one, which are told already."""
        return self._measured.get((self._identities.of(wanted), wanted.thing))

    def begin(self, circumstances: Circumstances) -> None:
        """Say what the rows to come are measured with, unless the file says it already."""
        if circumstances.id not in self.circumstances:
            self.circumstances[circumstances.id] = circumstances
            self._append(_record(circumstances))

    def add(self, row: Row) -> None:
        """Append a row."""
        self._append(_record(row))
        self._measured[self._identities.of(row), row.thing] = row
        self.rows.append(row)

    def _append(self, record: dict[str, Any]) -> None:
        os.write(self._fd, _line(record))  # one call: an interrupt comes before or after it


def _line(record: dict[str, Any]) -> bytes:
    return (json.dumps(record, allow_nan=False, ensure_ascii=False) + "\n").encode()


def _record(value: Circumstances | Row) -> dict[str, Any]:
    if isinstance(value, Circumstances):
        return {"kind": "circumstances", "id": value.id} | asdict(value)
    values = asdict(value)
    order = [item.name for item in fields(Row) if item.name not in FIGURES] + FIGURES
    return {"kind": "row"} | {name: _rounded(values[name]) for name in order}


def _row(record: dict[str, Any], circumstances: dict[str, Circumstances]) -> Row:
    row = Row(**record)
    if row.circumstances not in circumstances:
        raise ValueError(f"circumstances {row.circumstances} are not told before")
    wrong = [item.name for item in fields(Row) if not _fits(getattr(row, item.name), str(item.type))]
    if wrong:
        raise ValueError(f"{wrong[0]} is {getattr(row, wrong[0])!r}")
    return row


def _fits(value: Any, kind: str) -> bool:
    if value is None:
        return kind.endswith("| None")
    if kind.startswith("str"):
        return isinstance(value, str)
    return isinstance(value, (int, float) if kind.startswith("float") else int) and not isinstance(value, bool)


def _rounded(value: Any) -> Any:
    """Floats with the digits that mean something."""
    if isinstance(value, float) and value and math.isfinite(value):
        return round(value, DIGITS - 1 - math.floor(math.log10(abs(value))))
    return value
