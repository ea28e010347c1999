"""Reading pictures: nothing is cut down in silence, nothing is lost, every broken file is one ImageError."""

from __future__ import annotations

import contextlib
import io
import struct
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from ncodec import picture
from ncodec.alpha import pack_alpha, unpack_alpha
from ncodec.errors import FormatError, ImageError
from pictures import scene


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width: int, height: int, depth: int, colour: int, rows: bytes, *after: tuple[bytes, bytes]) -> bytes:
    """A PNG by hand; `after` are chunks behind the pixels."""
    head = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    chunks = [(b"IHDR", head), (b"IDAT", zlib.compress(rows)), *after, (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*each) for each in chunks)


def saved(kind: str, **options: object) -> bytes:
    out = io.BytesIO()
    Image.fromarray(scene(24, 32)).save(out, kind, **options)
    return out.getvalue()


DEEP = {
    "RGB PNG": png(2, 1, 16, 2, b"\0" + bytes(12)),
    "gray PNG": png(2, 1, 16, 0, b"\0" + bytes(4)),
    "gray alpha PNG": png(2, 1, 16, 4, b"\0" + bytes(8)),
    "RGBA PNG": png(2, 1, 16, 6, b"\0" + bytes(16)),
    "RGB PNM": b"P6 2 1 1023\n" + bytes(12),
    "gray PNM": b"P5 2 1 65535\n" + bytes(4),
}


@pytest.mark.parametrize("kind", DEEP)
def test_deep_pictures_are_refused_from_bytes_and_as_images(kind: str):
    with pytest.raises(ImageError, match="8 bits"):
        picture.load(DEEP[kind])
    with pytest.raises(ImageError, match="8 bits"):
        picture.from_image(Image.open(io.BytesIO(DEEP[kind])))


@pytest.mark.parametrize("kind", picture.FORMATS)
def test_every_kind_that_is_named_is_read(kind: str):
    read = picture.load(saved(kind))
    assert read.pixels.shape == (24, 32, 3)
    assert np.abs(read.pixels.astype(int) - scene(24, 32)).mean() < 20


def test_exif_behind_the_pixels_is_kept():
    exif = Image.Exif()
    exif[0x010E] = "late"
    body = exif.tobytes().removeprefix(b"Exif\0\0")
    late = png(2, 1, 8, 2, b"\0" + bytes(6), (b"eXIf", body))
    kept = picture.load(late).exif
    assert kept is not None
    assert kept.removeprefix(b"Exif\0\0") == body


def test_pillows_own_limit_is_not_ours():
    before = Image.MAX_IMAGE_PIXELS
    large = png(1 << 14, 12_000, 8, 0, b"")  # 197 megapixels, without any: refused as cut short, not as too large
    with pytest.raises(ImageError, match="damaged or cut short"):
        picture.load(large)
    with pytest.raises(ImageError, match="over the limit"):
        picture.load(png(1 << 15, 1 << 14, 8, 0, b""))
    assert before == Image.MAX_IMAGE_PIXELS


@given(st.sampled_from(picture.FORMATS), st.integers(0, 10_000), st.integers(1, 255), st.integers(0, 3))
@settings(max_examples=150, deadline=None)
def test_damaged_files_are_image_errors_or_pictures(kind: str, at: int, mask: int, cut: int):
    data = bytearray(saved(kind))
    data[at % min(len(data), 400)] ^= mask
    data = data[: len(data) * (4 - cut) // 4]
    with contextlib.suppress(ImageError):
        picture.load(bytes(data))


def test_broken_images_and_ragged_lists_through_the_api():
    with pytest.raises(ImageError, match="cut short"):
        picture.from_image(Image.open(io.BytesIO(saved("PNG")[:300])))
    with pytest.raises(ImageError):
        picture.from_array([[1, 2], [3]])


def test_alpha_is_a_plain_gray_png_and_nothing_else():
    alpha = scene(9, 7, channels=1)[:, :, 0]
    data = pack_alpha(alpha)
    assert np.array_equal(unpack_alpha(data, 9, 7), alpha)
    two_bits = png(7, 9, 2, 0, b"\0\0\0" * 9)
    for wrong, size in (
        (data, (7, 9)),
        (two_bits, (9, 7)),
        (data[:45], (9, 7)),
        (saved("PNG"), (24, 32)),
        (b"", (1, 1)),
    ):
        with pytest.raises(FormatError, match="alpha"):
            unpack_alpha(wrong, *size)
