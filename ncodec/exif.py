"""What a picture tells of camera, time and place, wherever its file has it."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping
from typing import Any

from PIL import ExifTags, Image

_TIFF_TAGS = (270, 271, 272, 282, 283, 296, 305, 306, 315, 33432)
"""Description, make, model, resolution and its unit, software, time, artist, copyright (TIFF 6.0)."""
_ODD = (TypeError, ValueError, AttributeError, LookupError, ArithmeticError, SyntaxError, OSError, struct.error)
"""What Pillow raises of entries that it cannot read or write."""


def exif_of(image: Image.Image) -> bytes | None:
    """The EXIF of a Pillow image that was loaded, or None."""
    if image.format == "TIFF":
        return _tiff_exif(image)
    return image.info.get("exif") or _text_exif(image.info.get("Raw profile type exif"))


def orientation(exif: bytes) -> int:
    """How the pixels are to be turned: 1 (not at all) ... 8, as EXIF counts; 1 where that cannot be read."""
    read = Image.Exif()
    try:
        read.load(exif)
        turn = read.get(ExifTags.Base.Orientation)
    except Exception:  # of damaged EXIF Pillow raises nearly everything
        return 1
    return turn if isinstance(turn, int) and 1 <= turn <= 8 else 1


def _text_exif(text: str | None) -> bytes | None:
    """EXIF as ImageMagick wrote it into PNG files before they had a chunk for it: two lines, then digits."""
    try:
        return bytes.fromhex("".join((text or "").split("\n")[3:])) or None
    except ValueError:  # no reason to refuse the picture
        return None


def _tiff_exif(image: Image.Image) -> bytes | None:
    """What a TIFF file tells of camera, time and place: in it these are entries among those of the pixels' layout."""
    found, kept = image.getexif(), Image.Exif()
    kept.update(_writable(found, _TIFF_TAGS))
    inner = {ifd: _inner(found, ifd) for ifd in (ExifTags.IFD.Exif, ExifTags.IFD.GPSInfo)}
    for ifd, values in inner.items():
        if values:
            kept.get_ifd(ifd).update(values)
    return kept.tobytes() if len(kept) or any(inner.values()) else None


def _inner(found: Image.Exif, ifd: ExifTags.IFD) -> dict[int, Any]:
    """A table that an entry points to; one that this one points to (interoperability) would be left behind."""
    try:
        values = found.get_ifd(ifd)
    except _ODD:
        return {}
    return _writable(values, [tag for tag in values if tag != ExifTags.IFD.Interop])


def _writable(values: Mapping[int, Any], tags: Iterable[int]) -> dict[int, Any]:
    """The entries that Pillow reads and writes: one of the wrong type is no reason to refuse the picture."""
    out: dict[int, Any] = {}
    for tag in tags:
        alone = Image.Exif()
        try:
            if tag in values:
                alone[tag] = _AsRead(values[tag]) if isinstance(values[tag], str) else values[tag]
                alone.tobytes()
        except _ODD:
            continue
        out |= dict(alone)
    return out


class _AsRead(str):
    """Text as Pillow reads it from a file, a byte a character; it would write what is not ASCII as question marks."""

    __slots__ = ()

    def encode(self, encoding: str = "latin-1", errors: str = "strict") -> bytes:
        """The file's own bytes, whatever is asked for."""
        return super().encode("latin-1", "replace")
