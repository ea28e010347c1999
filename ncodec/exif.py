"""What a picture tells of camera, time and place, wherever its file has it."""

from __future__ import annotations

from PIL import ExifTags, Image

_TIFF_TAGS = (270, 271, 272, 282, 283, 296, 305, 306, 315, 33432)
"""Description, make, model, resolution and its unit, software, time, artist, copyright (TIFF 6.0)."""


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
    kept.update({tag: found[tag] for tag in _TIFF_TAGS if tag in found})
    inner = {ifd: found.get_ifd(ifd) for ifd in (ExifTags.IFD.Exif, ExifTags.IFD.GPSInfo)}
    for ifd, values in inner.items():
        if values:
            kept.get_ifd(ifd).update(values)
    return kept.tobytes() if len(kept) or any(inner.values()) else None
