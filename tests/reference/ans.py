"""Entropy-coded streams (docs/format.md, section 2) in Python's own integers."""

from __future__ import annotations

import struct
import zlib
from bisect import bisect_right
from collections.abc import Iterator
from itertools import accumulate

import numpy as np


class Table:
    """One row: `low`, and frequencies that sum to 2^24, of which the last is the escape's (none: not coded)."""

    def __init__(self, low: int, counts: list[int]) -> None:
        self.low, self.counts = low, counts
        self.below = [0, *accumulate(counts)]
        if counts and (self.below[-1] != 2**24 or min(counts) < 1):
            raise ValueError("not a table of frequencies")


BYTE = Table(0, [2**16] * 256)


class Stream:
    """The state of an ANS coder, read from bytes."""

    def __init__(self, data: bytes) -> None:
        if data.endswith(b"\0"):
            raise ValueError("a stream must not end in a zero byte")
        data += bytes(-len(data) % 4)
        self.words = [int.from_bytes(data[i : i + 4], "little") for i in range(0, len(data), 4)]
        self.head = 0
        for _ in range(min(2, len(self.words))):
            self.head = self.head << 32 | self.words.pop()

    def pop(self, table: Table) -> int:
        """Index of the next symbol under a table."""
        quantile = self.head % 2**24
        index = bisect_right(table.below, quantile) - 1
        self.head = table.counts[index] * (self.head >> 24) + quantile - table.below[index]
        if self.head < 2**32 and self.words:
            self.head = self.head << 32 | self.words.pop()
        return index

    def close(self) -> None:
        """Raise ValueError unless all is used up."""
        if self.head or self.words:
            raise ValueError("the stream holds more than its symbols")

    def pop_step(self, rows: np.ndarray, tables: list[Table]) -> np.ndarray:
        """Symbols int64 of a step, in the shape of its rows."""
        flat = rows.ravel()
        symbols = [0] * flat.size
        escaped = []
        for row in sorted(set(flat.tolist())):
            table = tables[row]
            if not table.counts:
                continue
            for place in np.flatnonzero(flat == row).tolist():
                index = self.pop(table)
                symbols[place] = table.low + index
                if index == len(table.counts) - 1:
                    escaped.append(place)
        high = [self.pop(BYTE) for _ in escaped]
        for place, upper in zip(escaped, high, strict=True):
            value = upper << 8 | self.pop(BYTE)
            symbols[place] = value - 2**16 if value >= 2**15 else value
        return np.array(symbols, np.int64).reshape(rows.shape)


def unpack(payload: bytes, count: int) -> tuple[int, list[bytes]]:
    """Symbols_Crc and the streams of a coded payload."""
    end = 4 * count
    if len(payload) < end:
        raise ValueError("cut off in the stream lengths")
    crc, *sizes = struct.unpack_from(f"<{count}I", payload)
    streams = []
    for size in sizes:
        streams.append(payload[end : end + size])
        end += size
    if end > len(payload):
        raise ValueError("cut off in a stream")
    return crc, [*streams, payload[end:]]


def check_symbols(crc: int, arrays: list[np.ndarray]) -> None:
    """Raise ArithmeticError if these are not the symbols that were coded."""
    if zlib.crc32(b"".join(array.astype("<i2").tobytes() for array in arrays)) != crc:
        raise ArithmeticError("other symbols were decoded than were coded")


def slices(height: int, width: int, pixels: int) -> Iterator[tuple[slice, slice]]:
    """The slices of a picture, cut to its grid of one sample for `pixels` x `pixels` pixels."""
    side = 1024 // pixels
    for top in range(0, -(-height // pixels), side):
        for left in range(0, -(-width // pixels), side):
            yield (
                slice(top, min(top + side, -(-height // pixels))),
                slice(left, min(left + side, -(-width // pixels))),
            )
