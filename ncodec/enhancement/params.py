"""What the enhancement layer of one picture shares among its slices: `Params` <-> bytes (format.md)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ncodec.enhancement.bits import BitReader, BitWriter
from ncodec.enhancement.tables import SCALES
from ncodec.enhancement.transform import BLOCK
from ncodec.errors import FormatError

BANDS = BLOCK * BLOCK
"""Frequencies of a block; band 8 * u + v has the vertical frequency u and the horizontal one v."""

USUAL_OFFSETS = (-15, -10, -7, -4, -1, 2, 4, 6, 9, 12, 15, 17)
"""Offsets of the context classes are coded as differences from these."""

CLASSES = len(USUAL_OFFSETS)
"""Context classes of a picture that uses contexts; one that does not has a single class."""

MAX_STEP_INDEX = 255

SHIFT_STEPS = 64
SHIFT_BIAS = 8
"""A shift s moves a reconstruction point by (s - SHIFT_BIAS) / SHIFT_STEPS steps towards zero; 0 <= s < 64."""

FIRST_SCALE = 27
"""What the very first scale is coded as a difference from."""


def _zigzag() -> np.ndarray:
    """int64 [64]: bands in order of u + v, along each diagonal as in JPEG (ITU-T T.81, figure A.6)."""
    keys = [(u + v, u if (u + v) % 2 else v, BLOCK * u + v) for u in range(BLOCK) for v in range(BLOCK)]
    return np.array([band for _, _, band in sorted(keys)])


ZIGZAG = _zigzag()


@dataclass(frozen=True)
class ContextClass:
    """How a context class picks tables: `offset` is added to the band's scale, `shape` (0 ... 3) picks the tails."""

    offset: int
    shape: int


@dataclass(frozen=True)
class Params:
    """Quantiser and table choice of one picture.

    Attributes:
        step_index: 0 ... 255, see `step`.
        shifts: of the reconstruction points of magnitude 1, and of all larger ones; 0 ... 63, see `SHIFT_BIAS`.
        classes: one context class with offset 0, or `CLASSES` of them.
        scales: one byte per channel and band: 0 not coded, else 1 ... SCALES.
        trellis: dependent quantisation (`trellis.py`). Not among the bytes: the type of the section says it.
    """

    step_index: int
    shifts: tuple[int, int]
    classes: tuple[ContextClass, ...]
    scales: bytes
    trellis: bool = False

    @property
    def step(self) -> float:
        """Quantiser step in 8-bit units of the orthonormal transform: 2^(step_index / 16)."""
        return 2.0 ** (self.step_index / 16)

    @property
    def reconstruction(self) -> tuple[float, float]:
        """Where magnitude 1 is reconstructed, and what is added to all larger magnitudes; both in steps."""
        return reconstruction(self.shifts)

    @property
    def channels(self) -> int:
        """1 or 3."""
        return len(self.scales) // BANDS

    def scale_array(self) -> np.ndarray:
        """int64 [channels, 64]."""
        return np.frombuffer(self.scales, np.uint8).reshape(-1, BANDS).astype(np.int64)

    def to_bytes(self) -> bytes:
        """What `from_bytes` reads."""
        bits = BitWriter()
        bits.fixed(self.step_index, 8)
        bits.fixed(self.shifts[0], 6)
        bits.fixed(self.shifts[1], 6)
        _write_classes(bits, self.classes)
        _write_scales(bits, self.scale_array()[:, ZIGZAG])
        return bits.to_bytes()

    @classmethod
    def from_bytes(cls, data: bytes, channels: int, trellis: bool = False) -> tuple[Params, int]:
        """Read params from the front of `data`.

        Args:
            data: at least the params; what follows them is left alone.
            channels: 1 or 3, of the picture.
            trellis: see `Params`.

        Returns:
            The params, and how many bytes they took.

        Raises:
            FormatError: the bytes are not params of such a picture.
        """
        bits = BitReader(data)
        step_index, shifts = bits.fixed(8), (bits.fixed(6), bits.fixed(6))
        classes = _read_classes(bits)
        scales = np.empty((channels, BANDS), np.uint8)
        scales[:, ZIGZAG] = _read_scales(bits, channels)
        if not scales.any():
            raise FormatError("enhancement: no band is coded")
        return cls(step_index, shifts, classes, scales.tobytes(), trellis), bits.close()


def _write_classes(bits: BitWriter, classes: tuple[ContextClass, ...]) -> None:
    """A flag; then the shape of the only class, or shape and offset of every class."""
    has_contexts = len(classes) > 1
    bits.fixed(has_contexts, 1)
    for context_class, usual in zip(classes, USUAL_OFFSETS, strict=False):
        bits.fixed(context_class.shape, 2)
        if has_contexts:
            bits.signed(context_class.offset - usual)


def _read_classes(bits: BitReader) -> tuple[ContextClass, ...]:
    """The mirror of `_write_classes`."""
    if not bits.fixed(1):
        return (ContextClass(0, bits.fixed(2)),)
    classes = []
    for usual in USUAL_OFFSETS:
        shape, offset = bits.fixed(2), usual + bits.signed()
        if abs(offset) > SCALES:
            raise FormatError(f"enhancement: offset {offset} of a context class is outside -{SCALES}..{SCALES}")
        classes.append(ContextClass(offset, shape))
    return tuple(classes)


def _predictions_are_previous(channels: int) -> np.ndarray:
    """int64 [channels * 64]: which scale in scan order predicts each; the first of a channel that of the one before."""
    before = np.arange(-1, channels * BANDS - 1)
    before[::BANDS] = np.arange(-BANDS, (channels - 1) * BANDS, BANDS)
    return before


def _write_scales(bits: BitWriter, scan: np.ndarray) -> None:
    """Runs of scales [channels, 64] that equal their prediction, and the differences between the runs."""
    flat = scan.reshape(-1)
    before = _predictions_are_previous(len(scan))
    differences = flat - np.where(before < 0, FIRST_SCALE, flat[before])
    run = 0
    for difference in differences.tolist():
        if difference:
            bits.golomb(run)
            bits.nonzero(difference)
        run = 0 if difference else run + 1
    if run:
        bits.golomb(run)


def _read_scales(bits: BitReader, channels: int) -> np.ndarray:
    """The mirror of `_write_scales`: int64 [channels, 64]."""
    scales: list[int] = []
    before = _predictions_are_previous(channels).tolist()
    run = -1
    for source in before:
        if run < 0:
            run = bits.golomb()
            if run > len(before) - len(scales):
                raise FormatError("enhancement: a run of equal scales is too long")
        difference = 0 if run else bits.nonzero()
        run -= 1
        scale = difference + (scales[source] if source >= 0 else FIRST_SCALE)
        if not 0 <= scale <= SCALES:
            raise FormatError(f"enhancement: scale {scale} is outside 0..{SCALES}")
        scales.append(scale)
    return np.array(scales).reshape(channels, BANDS)


def reconstruction(shifts: tuple[int, int]) -> tuple[float, float]:
    """See `Params.reconstruction`."""
    one, more = ((SHIFT_BIAS - shift) / SHIFT_STEPS for shift in shifts)
    return 1 + one, more


def change_bits() -> np.ndarray:
    """float64 [SCALES + 1, SCALES + 1]: about how many bits a scale takes after another one (first axis)."""
    difference = np.abs(np.subtract.outer(np.arange(SCALES + 1), np.arange(SCALES + 1)))
    run = np.where(difference == 0, 0.2, 2.0)  # runs are coded together; a change ends one
    return run + np.where(difference == 0, 0, 1 + golomb_bits(np.maximum(difference, 1) - 1))


def golomb_bits(values: np.ndarray) -> np.ndarray:
    """int64: lengths of the exponential Golomb codes of integers >= 0."""
    return 2 * np.floor(np.log2(values + 1)).astype(np.int64) + 1
