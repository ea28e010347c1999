"""Bytes <-> Container; struct and zlib only. Follows docs/format.md in its order.

```
magic  version  mode  quality  sections | model id | width  height | noise a, b | section table | CRC-32 | payloads
```
`parse` checks what it must read; a section's bytes are checked when they are used (`Container.section`), so that a
damaged enhancement layer does not stop a denoised decode.
"""

from __future__ import annotations

import math
import struct
import zlib
from dataclasses import dataclass, replace
from enum import IntEnum

from ncodec.errors import Damaged, FormatError, Truncated

MAGIC = b"\x89NCD\r\n\x1a\n"
VERSION = 1
MAX_PIXELS = 1 << 28
"""268 megapixels: a decoder refuses more before it allocates (format.md, section 1)."""
MAX_SIDE = 1 << 20
"""No side is longer: bounds the windows of a decode."""
MAX_METADATA_BYTES = 1 << 26
"""Neither ICC profile nor EXIF unpacks to more."""
QUALITIES = 8
"""One network serves this many qualities; 1 is the smallest file, 8 the best picture."""
SLICE_PIXELS = 1024
"""Sides of a slice: every slice has entropy-coded streams of its own."""

KEPT_UNIT = 255
"""The first byte of the enhancement section, in these units, is the share of the residual's energy that it keeps."""

_FIXED = struct.Struct("<8sBBBB8sIIff")
_ENTRY = struct.Struct("<BII")
_CRC = struct.Struct("<I")

_HAS_ALPHA = 0x02
_IS_RGB = 0x01
_OPTIONAL = 0x80


class Tag(IntEnum):
    """Section types. From 0x80 on a reader may skip what it does not know; below it must refuse."""

    HYPERPRIOR = 0x01
    LATENTS = 0x02
    ENHANCEMENT = 0x03
    ALPHA = 0x04
    ENHANCEMENT_TRELLIS = 0x05
    LATENTS_TRELLIS = 0x06
    ICC = 0x81
    EXIF = 0x82

    @property
    def label(self) -> str:
        """What users call it."""
        return self.name.lower().removesuffix("_trellis")


LATENTS = (Tag.LATENTS, Tag.LATENTS_TRELLIS)
ENHANCEMENTS = (Tag.ENHANCEMENT, Tag.ENHANCEMENT_TRELLIS)
"""By a plain quantiser, or by a trellis: a file has latents of one kind, and an enhancement layer of one or of none."""


@dataclass(frozen=True, slots=True)
class Header:
    """What a reader knows before it decodes anything.

    Attributes:
        width, height: pixels.
        is_rgb: False for gray pictures.
        has_alpha: an alpha section is there.
        quality: 1 ... 8, of the base layer.
        model: 8 bytes, the first of the SHA-256 of the weights file.
        poisson_a, gaussian_b: estimated noise of the input, variance a*y + b at intensity y in [0, 1].
    """

    width: int
    height: int
    is_rgb: bool
    has_alpha: bool
    quality: int
    model: bytes
    poisson_a: float
    gaussian_b: float

    @property
    def channels(self) -> int:
        """1 for gray, 3 for RGB; alpha not counted."""
        return 3 if self.is_rgb else 1


@dataclass(frozen=True, slots=True)
class Section:
    """One typed payload and the CRC-32 that the file claims for it."""

    tag: int
    payload: bytes
    crc: int

    @classmethod
    def of(cls, tag: int, payload: bytes) -> Section:
        """A section whose checksum is right."""
        return cls(tag, payload, zlib.crc32(payload))


@dataclass(frozen=True, slots=True)
class Container:
    """A parsed .ncd file."""

    header: Header
    sections: tuple[Section, ...]

    def has(self, tag: int) -> bool:
        """True if the file holds a section of this type, damaged or not."""
        return any(section.tag == tag for section in self.sections)

    def size_bytes(self, *tags: int) -> int:
        """Payload bytes of sections, 0 for those that are not there."""
        return sum(len(section.payload) for section in self.sections if section.tag in tags)

    @property
    def enhancement(self) -> Tag | None:
        """The type of the section that holds the enhancement layer, damaged or not."""
        return next((tag for tag in ENHANCEMENTS if self.has(tag)), None)

    @property
    def latents(self) -> Tag:
        """The type of the section that holds the latents."""
        return LATENTS[self.has(Tag.LATENTS_TRELLIS)]

    def section(self, tag: int) -> bytes:
        """The payload of `checked`."""
        return self.checked(tag).payload

    def checked(self, tag: int) -> Section:
        """A section that must be there. Raises Damaged if its checksum does not fit, FormatError."""
        for section in self.sections:
            if section.tag == tag:
                if zlib.crc32(section.payload) != section.crc:
                    raise Damaged(f"the {Tag(tag).label} section is damaged: its checksum does not fit")
                return section
        raise FormatError(f"the file has no {Tag(tag).label} section")

    def kept_share(self) -> float | None:
        """Share of the residual's energy (noise, mostly) that the enhancement layer keeps; None without a layer."""
        if (layer := self.enhancement) is None:
            return None
        return self.section(layer)[0] / KEPT_UNIT if self.size_bytes(layer) else 0.0

    def without(self, *tags: int) -> Container:
        """The same file less some sections; nothing is decoded or checked."""
        return replace(self, sections=tuple(section for section in self.sections if section.tag not in tags))


def dump(box: Container) -> bytes:
    """Container -> bytes. The mirror of `parse`. Raises ValueError on a header that `parse` would refuse."""
    head = box.header
    mode = (_IS_RGB if head.is_rgb else 0) | (_HAS_ALPHA if head.has_alpha else 0)
    fixed = _FIXED.pack(
        MAGIC, VERSION, mode, head.quality, len(box.sections), head.model,
        head.width, head.height, head.poisson_a, head.gaussian_b,
    )  # fmt: skip
    table = b"".join(_ENTRY.pack(s.tag, len(s.payload), s.crc) for s in box.sections)
    crc = _CRC.pack(zlib.crc32(fixed + table))
    data = b"".join([fixed, table, crc, *(s.payload for s in box.sections)])
    try:
        parse(data)
    except FormatError as err:
        raise ValueError(f"not a valid container: {err}") from err
    return data


def parse(data: bytes) -> Container:
    """Bytes -> Container. The mirror of `dump`.

    Raises:
        Truncated: the bytes end too early.
        Damaged: the header's checksum does not fit.
        FormatError: any other rule of docs/format.md is broken. Nothing else is ever raised.
    """
    cursor = _Cursor(data)
    if (magic := data[: len(MAGIC)]) != MAGIC[: len(magic)] or not data:
        raise FormatError("not an .ncd file: it does not begin with the .ncd signature")
    fixed = cursor.take(_FIXED.size, "the header")
    _, version, mode, quality, count, model, width, height, a, b = _FIXED.unpack(fixed)
    if version != VERSION:
        raise FormatError(f"the file has format version {version}, this ncodec reads version {VERSION}")
    table = cursor.take(count * _ENTRY.size, "the section table")
    (crc,) = _CRC.unpack(cursor.take(_CRC.size, "the header's checksum"))
    if crc != zlib.crc32(fixed + table):
        raise Damaged("the header is damaged: its checksum does not fit")
    _check_limits(mode, quality, width, height, a, b)
    header = Header(width, height, bool(mode & _IS_RGB), bool(mode & _HAS_ALPHA), quality, model, a, b)
    sections = [
        Section(tag, cursor.take(size, _section_name(tag)), claimed) for tag, size, claimed in _ENTRY.iter_unpack(table)
    ]
    if left := len(data) - cursor.at:
        raise FormatError(f"{left} bytes follow the last section")
    return Container(header, _check_sections(header, sections))


def _section_name(tag: int) -> str:
    return f"the {Tag(tag).label} section" if tag in set(Tag) else f"section {tag:#04x}"


def _check_limits(mode: int, quality: int, width: int, height: int, a: float, b: float) -> None:
    if mode & ~(_IS_RGB | _HAS_ALPHA):
        raise FormatError(f"colour mode {mode:#04x} is not known")
    if not 1 <= quality <= QUALITIES:
        raise FormatError(f"quality {quality} is outside 1..{QUALITIES}")
    if not (0 < width <= MAX_SIDE and 0 < height <= MAX_SIDE and width * height <= MAX_PIXELS):
        raise FormatError(f"{width}x{height} pixels is outside 1..{MAX_PIXELS} (no side above {MAX_SIDE})")
    if not all(math.isfinite(value) and 0 <= value <= 1 for value in (a, b)):
        raise FormatError("the noise parameters are not in 0..1")


def _check_sections(header: Header, sections: list[Section]) -> tuple[Section, ...]:
    tags = [section.tag for section in sections]
    if tags != sorted(set(tags)):
        raise FormatError("the sections are not in ascending order of their types, each at most once")
    known = {int(tag) for tag in Tag}
    if unknown := [tag for tag in tags if tag not in known and not tag & _OPTIONAL]:
        raise FormatError(f"section type {unknown[0]:#04x} is not known and must not be skipped")
    for kinds, least in (((Tag.HYPERPRIOR,), 1), (LATENTS, 1), (ENHANCEMENTS, 0)):
        there = sum(tag in tags for tag in kinds)
        if not least <= there <= 1:
            raise FormatError(f"the file has {'two' if there else 'no'} {kinds[0].label} section{'s' * (there > 1)}")
    if header.has_alpha != (Tag.ALPHA in tags):
        raise FormatError("the colour mode and the alpha section disagree")
    return tuple(sections)


class _Cursor:
    """Walks forward through `data` and never past its end."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0

    def take(self, size: int, what: str) -> bytes:
        left = len(self.data) - self.at
        if size > left:
            raise Truncated(f"{what} needs {size} bytes at offset {self.at}, {left} left: the file is cut short")
        self.at += size
        return self.data[self.at - size : self.at]
