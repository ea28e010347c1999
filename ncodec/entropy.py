"""int16 symbols and table rows <-> bytes; the only user of constriction. Normative text: docs/format.md.

ANS (Duda 2009) as constriction's default coder does it: 32-bit words, 64-bit state, 24-bit frequencies. Symbols are
coded in groups that share a table, since one call a group is ten times faster than one model a symbol.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import constriction
import numpy as np

from ncodec.errors import FormatError

TOTAL = 1 << 24
"""The integer frequencies of every table sum to this."""
ESCAPE_BITS = 16
"""Raw bits of a symbol after the escape."""

NEVER_BITS = 1e6
"""Of a symbol that cannot be coded."""

_stream: Any = constriction.stream  # pyright: ignore[reportAttributeAccessIssue] - its stubs leave it out
AnsCoder = _stream.stack.AnsCoder
Categorical = _stream.model.Categorical
_BYTE = _stream.model.Uniform(256)  # 2^24 / 256 divides evenly: every byte has the frequency 2^16


@dataclass(frozen=True)
class Tables:
    """Rows of integer frequency tables.

    Row r codes the symbols ``low[r] ... low[r] + size[r] - 2``; its last entry is the escape, after which 16 raw bits
    give any other symbol. A row of size 0 is not coded at all: its symbols are 0.

    Attributes:
        low: int16 [rows].
        size: int32 [rows], 0 or >= 2.
        counts: int32 [sum(size)], each >= 1, the counts of one row summing to 2^24.

    Raises:
        ValueError: the arrays break one of these rules.
    """

    low: np.ndarray
    size: np.ndarray
    counts: np.ndarray
    _models: dict[int, Any] = field(default_factory=dict, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.low.shape != self.size.shape or self.low.ndim != 1 or len(self.low) == 0:
            raise ValueError("tables need one low and one size per row")
        if (self.size < 0).any() or (self.size == 1).any() or self.size.sum(dtype=np.int64) != len(self.counts):
            raise ValueError("table sizes do not fit the counts")
        if (self.low.astype(np.int64) + self.size > 1 << 15).any():
            raise ValueError("a table reaches past 16-bit symbols")
        if len(self.counts) and self.counts.min() < 1:
            raise ValueError("a table has an entry without frequency")
        coded = np.flatnonzero(self.size)
        sums = np.add.reduceat(self.counts.astype(np.int64), self.starts[coded]) if len(coded) else np.empty(0)
        if (sums != TOTAL).any():
            raise ValueError(f"the frequencies of a table do not sum to {TOTAL}")

    @cached_property
    def starts(self) -> np.ndarray:
        """int64 [rows]: where each row begins in `counts`."""
        return np.concatenate([[0], np.cumsum(self.size[:-1], dtype=np.int64)])

    @cached_property
    def is_coded(self) -> np.ndarray:
        """bool [rows]: False for rows whose symbols are 0 by definition."""
        return self.size > 0

    def codes(self, rows: np.ndarray) -> np.ndarray:
        """Rows, unsigned integers [n] -> bool [n]: whether they are coded; `is_coded[rows]`, but faster."""
        if rows.dtype != np.uint8:
            return self.is_coded.take(rows)
        return np.frombuffer(rows.tobytes().translate(self._coded_of_byte), bool)

    @cached_property
    def _coded_of_byte(self) -> bytes:
        return self.is_coded[:256].tobytes().ljust(256, b"\0")

    def row_counts(self, row: int) -> np.ndarray:
        """int32 [size[row]]: the frequencies of one row."""
        return self.counts[self.starts[row] : self.starts[row] + self.size[row]]

    def model(self, row: int) -> Any:
        """constriction's model of a row, made once."""
        model = self._models.get(row)
        if model is None:
            # Fed counts - 1, constriction gives every symbol exactly `counts` (it adds 1 to each and has nothing left
            # to distribute). `perfect=False` must be said: another default prints to stdout and rounds otherwise.
            weights = (self.row_counts(row) - 1).astype(np.float64)
            model = self._models[row] = Categorical(weights, perfect=False)
        return model


@dataclass(frozen=True)
class _Groups:
    """The coded positions of one step, ordered by row: groups of one row lie together."""

    order: np.ndarray | slice
    rows: np.ndarray
    sizes: np.ndarray

    @classmethod
    def of(cls, rows: np.ndarray, tables: Tables) -> _Groups:
        if len(rows) and rows[0] == rows[-1] and tables.is_coded[rows[0]] and (rows == rows[0]).all():
            return cls(slice(None), rows[:1], np.array([len(rows)]))  # one table for all: nothing to sort
        coded = np.flatnonzero(tables.codes(rows))
        coded_rows = rows.take(coded)
        counts = np.bincount(coded_rows, minlength=1)
        present = np.flatnonzero(counts)
        order = coded.take(np.argsort(coded_rows, kind="stable")) if len(present) > 1 else coded
        return cls(order, present, counts[present])


class Encoder:
    """Collects the steps of one stream in decode order; ANS is a stack, so `finish` codes them backwards."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        self._groups: list[tuple[np.ndarray, object]] = []

    def push(self, symbols: np.ndarray, rows: np.ndarray) -> None:
        """Append one step.

        Args:
            symbols: int16 [n]. Where the row of a symbol is not coded, it must be 0.
            rows: unsigned integers [n].
        """
        groups = _Groups.of(rows, self._tables)
        values = symbols[groups.order].astype(np.int32)
        if np.count_nonzero(symbols) != np.count_nonzero(values):
            raise ValueError("a symbol of a row that is not coded is not 0")
        begin, escaped = 0, []
        for row, size in zip(groups.rows.tolist(), groups.sizes.tolist(), strict=True):
            index = values[begin : begin + size] - int(self._tables.low[row])
            escape = int(self._tables.size[row]) - 1
            outside = (index < 0) | (index >= escape)
            if outside.any():
                escaped.append(values[begin : begin + size][outside])
                index[outside] = escape
            self._groups.append((index, self._tables.model(row)))
            begin += size
        if escaped:
            raw = np.concatenate(escaped) & 0xFFFF
            self._groups += [(raw >> 8, _BYTE), (raw & 0xFF, _BYTE)]

    def finish(self) -> bytes:
        """The stream: little-endian words without the zero bytes at the end."""
        coder = AnsCoder()
        for index, model in reversed(self._groups):
            coder.encode_reverse(index, model)
        return coder.get_compressed().astype("<u4").tobytes().rstrip(b"\0")


class Decoder:
    """Takes the steps of one stream in the order in which they were pushed.

    Raises:
        FormatError: the bytes are not a stream that `Encoder.finish` can have written.
    """

    def __init__(self, data: bytes, tables: Tables) -> None:
        if data.endswith(b"\0"):
            raise FormatError("an entropy-coded stream ends in a zero byte")
        words = np.frombuffer(data + bytes(-len(data) % 4), "<u4").astype(np.uint32)
        self._tables = tables
        self._coder = AnsCoder(words) if len(words) else AnsCoder()

    def pop(self, rows: np.ndarray) -> np.ndarray:
        """Symbols int16 [n] of one step; rows: unsigned integers [n]."""
        groups = _Groups.of(rows, self._tables)
        values = np.empty(int(groups.sizes.sum()), np.int32)
        begin, escaped = 0, []
        for row, size in zip(groups.rows.tolist(), groups.sizes.tolist(), strict=True):
            index = self._coder.decode(self._tables.model(row), size)
            escape = int(self._tables.size[row]) - 1
            if index.max() == escape:
                escaped.append(begin + np.flatnonzero(index == escape))
            np.add(index, int(self._tables.low[row]), out=values[begin : begin + size])
            begin += size
        if escaped:
            where = np.concatenate(escaped)
            high = self._coder.decode(_BYTE, len(where)) << 8
            values[where] = high | self._coder.decode(_BYTE, len(where))
        symbols = np.zeros(len(rows), np.int16)
        symbols[groups.order] = values.astype(np.int16)
        return symbols

    def close(self) -> None:
        """Raise FormatError unless the stream is used up exactly."""
        if not self._coder.is_empty():
            raise FormatError("an entropy-coded stream holds more than its symbols")


def symbols_crc(symbols: np.ndarray, crc: int = 0) -> int:
    """CRC-32 of int16 symbols as little-endian bytes in C order, continuing `crc`: what both ends must agree on."""
    return zlib.crc32(np.ascontiguousarray(symbols, dtype="<i2").data, crc)


def symbol_bits(tables: Tables, reach: int) -> np.ndarray:
    """Ideal bits of the symbols -reach ... reach under every row, escapes included; 0 in rows that are not coded.

    Returns:
        float32 [rows, 2 * reach + 1].
    """
    index = np.arange(-reach, reach + 1) - tables.low.astype(np.int64)[:, None]
    escape = tables.size[:, None] - 1
    outside = (index < 0) | (index >= escape)
    first = np.minimum(tables.starts, len(tables.counts) - 1)[:, None]
    counts = tables.counts[first + np.where(outside, np.maximum(escape, 0), index)]
    bits = np.where(outside, ESCAPE_BITS, 0) - np.log2(counts / TOTAL)
    bits[~tables.is_coded] = 0
    return bits.astype(np.float32)


def magnitude_bits(tables: Tables, magnitudes: int) -> np.ndarray:
    """Bits that a magnitude costs in each row, sign included.

    Returns:
        float32 [rows, magnitudes]; beyond a table its escape and 16 raw bits, in a row that is not coded 0 for 0.
    """
    bits = symbol_bits(tables, magnitudes - 1)[:, magnitudes - 1 :]  # the tables are symmetric
    bits[~tables.is_coded, 1:] = NEVER_BITS
    return bits
