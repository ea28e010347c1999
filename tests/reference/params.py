"""The parameters of the enhancement layer (docs/format.md, section 6.2)."""

from __future__ import annotations

from dataclasses import dataclass

USUAL_OFFSETS = (-15, -10, -7, -4, -1, 2, 4, 6, 9, 12, 15, 17)


@dataclass(frozen=True)
class Params:
    """`shapes` and `offsets` by class; `scales` by band (c, u, v); `trellis` from the section's tag."""

    step: float
    shifts: tuple[int, int]
    shapes: list[int]
    offsets: list[int]
    scales: dict[tuple[int, int, int], int]
    trellis: bool

    @property
    def has_contexts(self) -> bool:
        """Twelve classes, or one."""
        return len(self.shapes) > 1


class Bits:
    """Bits of bytes, the most significant first."""

    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0

    def bit(self) -> int:
        """The next bit."""
        if self.at >= 8 * len(self.data):
            raise ValueError("cut off in the parameters")
        byte, place = divmod(self.at, 8)
        self.at += 1
        return self.data[byte] >> (7 - place) & 1

    def number(self, bits: int) -> int:
        """The next number of so many bits."""
        value = 0
        for _ in range(bits):
            value = 2 * value + self.bit()
        return value

    def golomb(self) -> int:
        """A number from 0."""
        zeros = 0
        while not self.bit():
            zeros += 1
            if zeros > 9:
                raise ValueError("a number too long")
        return (1 << zeros | self.number(zeros)) - 1

    def signed(self) -> int:
        """Any number."""
        code = self.golomb()
        return (code + 1) // 2 if code % 2 else -code // 2

    def nonzero(self) -> int:
        """Any number but 0."""
        negative = self.bit()
        magnitude = self.golomb() + 1
        return -magnitude if negative else magnitude

    def pad(self) -> None:
        """Go on to a whole byte."""
        while self.at % 8:
            if self.bit():
                raise ValueError("padding is not 0")


def read_params(data: bytes, channels: int, trellis: bool = False) -> tuple[Params, int]:
    """The parameters, and how many bytes they took."""
    bits = Bits(data)
    step = 2.0 ** (bits.number(8) / 16)
    shifts = bits.number(6), bits.number(6)
    if bits.number(1):
        classes = [(bits.number(2), usual + bits.signed()) for usual in USUAL_OFFSETS]
    else:
        classes = [(bits.number(2), 0)]
    if any(abs(offset) > 50 for _, offset in classes):
        raise ValueError("an offset out of range")
    scales = read_scales(bits, channels)
    bits.pad()
    return Params(step, shifts, [c[0] for c in classes], [c[1] for c in classes], scales, trellis), bits.at // 8


def read_scales(bits: Bits, channels: int) -> dict[tuple[int, int, int], int]:
    """Scale of every band."""
    differences = []
    while len(differences) < 64 * channels:
        differences += [0] * bits.golomb()
        if len(differences) < 64 * channels:
            differences.append(bits.nonzero())
    if len(differences) > 64 * channels:
        raise ValueError("a run of zeros past the end")
    scales, start = {}, 27
    for channel in range(channels):
        scale = start
        for (u, v), difference in zip(zigzag(), differences[64 * channel :], strict=False):
            scale += difference
            scales[channel, u, v] = scale
        start = scales[channel, 0, 0]
    if not any(scales.values()) or not all(0 <= scale <= 50 for scale in scales.values()):
        raise ValueError("scales out of range")
    return scales


def zigzag() -> list[tuple[int, int]]:
    """The 64 (u, v) in order."""
    places = [(u, v) for u in range(8) for v in range(8)]
    return sorted(places, key=lambda p: (p[0] + p[1], p[0] if (p[0] + p[1]) % 2 else p[1]))
