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
from ncodec.claim import claim
from ncodec.errors import RequestError

FIGURES = [figure.name for figure in fields(Figures)]
DIGITS = 7
"""Significant digits of a number in a result file."""
OPENING = b'{"kind": "'
"""How every line begins."""


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
    """Read a result file. A last line of ours that was cut off (by a power failure, a kill) is passed over.

    Raises:
        RequestError: a line is not of a result file of `ncodec bench`.
        OSError: it cannot be read.
    """
    circumstances: dict[str, Circumstances] = {}
    rows: list[Row] = []
    for number, line in enumerate(_whole_lines(path.read_bytes()).splitlines(), 1):
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


def _whole_lines(data: bytes) -> bytes:
    """What is there without a last line of ours that was cut off. One that an editor left without its end is whole."""
    lines, newline, last = data.rpartition(b"\n")
    if not OPENING.startswith(last[: len(OPENING)].strip(b"\0")):  # some file systems leave zeros where the power fails
        return data
    try:
        json.loads(last)
    except ValueError:
        return lines + newline
    return data


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
        RequestError, OSError: as `read_results`; another process adds to it.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o666)
        try:
            claim(self._fd, path.parent)
            found = read_results(path)
            _mend_end(self._fd, path.read_bytes())
        except BaseException:
            os.close(self._fd)
            raise
        self.rows = list(found.rows)
        self.circumstances = dict(found.circumstances)
        self._identities = Identities(self.circumstances)
        self._measured = {(self._identities.of(row), row.thing): row for row in found.rows}

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
        _write(self._fd, _line(record))


def _mend_end(fd: int, data: bytes) -> None:
    """Nothing but whole lines: so that the next one begins on its own."""
    whole = _whole_lines(data)
    os.ftruncate(fd, len(whole))
    if whole and not whole.endswith(b"\n"):
        _write(fd, b"\n")


def _write(fd: int, data: bytes) -> None:
    """Append all of it or nothing. A disk that fills up takes a part without an error, and says so next time."""
    size = os.fstat(fd).st_size
    try:
        written = os.write(fd, data)  # nearly always one call: an interrupt comes before or after it
        while written < len(data):
            written += os.write(fd, data[written:])
    except BaseException:
        os.ftruncate(fd, size)
        raise


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
