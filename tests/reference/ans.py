"""Entropy-coded streams (docs/format.md, section 2) in Python's own integers."""

from __future__ import annotations


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

    def pop(self, counts: list[int]) -> int:
        """Index of the next symbol under a table of frequencies that sum to 2^24."""
        quantile = self.head % 2**24
        index, below = 0, 0
        while quantile >= below + counts[index]:
            below += counts[index]
            index += 1
        self.head = counts[index] * (self.head >> 24) + quantile - below
        if self.head < 2**32 and self.words:
            self.head = self.head << 32 | self.words.pop()
        return index

    def close(self) -> None:
        """Raise ValueError unless all is used up."""
        if self.head or self.words:
            raise ValueError("the stream holds more than its symbols")

    def pop_step(self, rows: list[int], tables: list[tuple[int, list[int]]]) -> list[int]:
        """Symbols of a step; `tables` holds (low, counts) of every row, counts empty where a row is not coded."""
        symbols = [0] * len(rows)
        escaped = []
        for row in sorted(set(rows)):
            low, counts = tables[row]
            if not counts:
                continue
            for place, wanted in enumerate(rows):
                if wanted == row:
                    index = self.pop(counts)
                    if index == len(counts) - 1:
                        escaped.append(place)
                    symbols[place] = low + index
        byte = [2**16] * 256
        high = [self.pop(byte) for _ in escaped]
        for place, upper in zip(escaped, high, strict=True):
            value = upper << 8 | self.pop(byte)
            symbols[place] = value - 2**16 if value >= 2**15 else value
        return symbols
