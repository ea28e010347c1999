"""Numbers <-> bits for the few parameters of the enhancement layer; most significant bit first."""

from __future__ import annotations

from ncodec.errors import FormatError, Truncated

_MAX_PREFIX = 9
"""Longest run of zeros before an exponential Golomb code: no number of the format reaches 1023."""


class BitWriter:
    """Collects bits; `to_bytes` pads the last byte with zeros."""

    def __init__(self) -> None:
        self._bits: list[str] = []

    def fixed(self, value: int, width: int) -> None:
        """An unsigned number in exactly `width` bits."""
        self._bits.append(f"{value:0{width}b}")

    def golomb(self, value: int) -> None:
        """Exponential Golomb code of value >= 0: value + 1 in binary, after one zero for each bit but the first."""
        width = (value + 1).bit_length()
        self.fixed(value + 1, 2 * width - 1)

    def nonzero(self, value: int) -> None:
        """A number other than 0: its sign, then its magnitude less one."""
        self.fixed(value < 0, 1)
        self.golomb(abs(value) - 1)

    def signed(self, value: int) -> None:
        """Any integer: 0, 1, -1, 2, -2 ... are coded as 0, 1, 2, 3, 4 ..."""
        self.golomb(2 * abs(value) - (value > 0))

    def to_bytes(self) -> bytes:
        """All bits so far."""
        bits = "".join(self._bits)
        return int(bits + "0" * (-len(bits) % 8), 2).to_bytes(-(-len(bits) // 8), "big")


class BitReader:
    """The mirror of `BitWriter`; every method raises FormatError where there is no such number."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def fixed(self, width: int) -> int:
        """An unsigned number of `width` bits."""
        end = self._at + width
        if end > 8 * len(self._data):
            raise Truncated(f"enhancement: parameters end after {len(self._data)} bytes")
        first, last = self._at // 8, -(-end // 8)
        value = int.from_bytes(self._data[first:last], "big") >> (8 * last - end)
        self._at = end
        return value & ((1 << width) - 1)

    def golomb(self) -> int:
        """A number >= 0, below 1023."""
        zeros = 0
        while not self.fixed(1):
            zeros += 1
            if zeros > _MAX_PREFIX:
                raise FormatError("enhancement: a parameter is too large")
        return (1 << zeros) + self.fixed(zeros) - 1

    def nonzero(self) -> int:
        """A number other than 0."""
        negative = self.fixed(1)
        magnitude = self.golomb() + 1
        return -magnitude if negative else magnitude

    def signed(self) -> int:
        """Any number."""
        code = self.golomb()
        return (code + 1) // 2 if code % 2 else -(code // 2)

    def close(self) -> int:
        """How many bytes have been read; what is left of the last one must be zeros."""
        if self.fixed(-self._at % 8):
            raise FormatError("enhancement: padding bits are not zero")
        return self._at // 8
