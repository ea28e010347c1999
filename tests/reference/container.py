"""The file (docs/format.md, section 1): header, section table, payloads."""

from __future__ import annotations

import math
import struct
import zlib
from dataclasses import dataclass

MAGIC = bytes.fromhex("894e43440d0a1a0a")
HYPERPRIOR, LATENTS, ENHANCEMENT, ALPHA, ICC, EXIF = 0x01, 0x02, 0x03, 0x04, 0x81, 0x82
ENHANCEMENT_TRELLIS, LATENTS_TRELLIS = 0x05, 0x06


@dataclass(frozen=True)
class File:
    """What stands in a file; `sections` holds (payload, Section_Crc) by tag."""

    rgb: bool
    quality: int
    model_id: bytes
    width: int
    height: int
    noise: tuple[float, float]
    sections: dict[int, tuple[bytes, int]]

    def section(self, tag: int) -> bytes:
        """Payload of a section, its checksum verified; KeyError where there is none."""
        payload, crc = self.sections[tag]
        check(zlib.crc32(payload) == crc, f"section {tag:#x} is damaged")
        return payload

    def profile(self, tag: int) -> bytes:
        """ICC or EXIF data, unpacked."""
        unpacker = zlib.decompressobj()
        data = unpacker.decompress(self.section(tag), 2**26 + 1)
        check(unpacker.eof and not unpacker.unused_data and len(data) <= 2**26, "not one zlib stream of allowed size")
        return data


def check(right: bool, message: str) -> None:
    """Raise ValueError with the message unless the condition holds."""
    if not right:
        raise ValueError(message)


def read(data: bytes) -> File:
    """Parse a file, with the checks in the order of the page."""
    check(data[:8] == MAGIC, "not an ncodec file")
    check(data[8:9] == b"\x01", "unknown version")
    check(len(data) >= 12 and len(data) >= 40 + 9 * data[11], "cut off in the section table")
    mode, quality, count, model_id, width, height, a, b = struct.unpack_from("<BBB8sIIff", data, 9)
    end = 36 + 9 * count
    check(zlib.crc32(data[:end]) == struct.unpack_from("<I", data, end)[0], "the header is damaged")
    check(mode & ~3 == 0 and 1 <= quality <= 8, "unknown mode or quality")
    check(1 <= width <= 2**20 and 1 <= height <= 2**20 and width * height <= 2**28, "impossible size")
    check(all(math.isfinite(v) and 0 <= v <= 1 for v in (a, b)), "impossible noise")
    table = [struct.unpack_from("<BII", data, at) for at in range(36, end, 9)]
    check_tags([tag for tag, _, _ in table], alpha=bool(mode & 2))
    sections, at = {}, end + 4
    for tag, size, crc in table:
        check(at + size <= len(data), "cut off in a payload")
        sections[tag] = data[at : at + size], crc
        at += size
    check(at == len(data), "bytes after the last payload")
    return File(bool(mode & 1), quality, model_id, width, height, (a, b), sections)


def check_tags(tags: list[int], alpha: bool) -> None:
    """Ascending, each at most once, none unknown that must be known, none missing."""
    check(tags == sorted(set(tags)), "sections out of order")
    check(all(tag >= 0x80 or HYPERPRIOR <= tag <= LATENTS_TRELLIS for tag in tags), "a section of an unknown kind")
    check(HYPERPRIOR in tags and (LATENTS in tags) != (LATENTS_TRELLIS in tags), "not one base layer")
    check(not {ENHANCEMENT, ENHANCEMENT_TRELLIS} <= set(tags), "two enhancement layers")
    check((ALPHA in tags) == alpha, "mode and sections do not agree about alpha")


def read_png(data: bytes, width: int, height: int) -> list[bytes]:
    """Rows of an 8-bit gray PNG file without interlacing (W3C PNG, sections 5, 9 and 10)."""
    check(data[:8] == b"\x89PNG\r\n\x1a\n", "not a PNG file")
    at, packed = 8, b""
    while at < len(data):
        size, kind = struct.unpack_from(">I4s", data, at)
        body = data[at + 8 : at + 8 + size]
        if kind == b"IHDR":
            check(body == struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0), "not the expected kind of PNG file")
        packed += body if kind == b"IDAT" else b""
        at += 12 + size
    raw = zlib.decompress(packed)
    check(len(raw) == (1 + width) * height, "a PNG file of another size")
    rows, above = [], bytes(width)
    for start in range(0, len(raw), 1 + width):
        above = unfiltered(raw[start], raw[start + 1 : start + 1 + width], above)
        rows.append(above)
    return rows


def unfiltered(kind: int, row: bytes, above: bytes) -> bytes:
    """One row of a PNG picture of one byte a pixel."""
    check(kind <= 4, "unknown PNG filter")
    out = bytearray()
    for x, value in enumerate(row):
        left, up, corner = (out[x - 1], above[x], above[x - 1]) if x else (0, above[x], 0)
        guess = left + up - corner
        nearest = min((left, up, corner), key=lambda v, guess=guess: abs(guess - v))
        out.append((value + (0, left, up, (left + up) // 2, nearest)[kind]) % 256)
    return bytes(out)
