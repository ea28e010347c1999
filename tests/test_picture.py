"""Reading pictures: nothing is cut down in silence, nothing is lost, every broken file is one ImageError."""

from __future__ import annotations

import contextlib
import io
import struct
import warnings
import zlib
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, PngImagePlugin

from ncodec import picture
from ncodec.alpha import pack_alpha, unpack_alpha
from ncodec.errors import FormatError, ImageError
from pictures import scene


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(
    width: int, height: int, depth: int, colour: int, rows: bytes, *after: tuple[bytes, bytes], transparent: bytes = b""
) -> bytes:
    """A PNG by hand; `after` are chunks behind the pixels."""
    head = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    before = [(b"tRNS", transparent)] if transparent else []
    chunks = [(b"IHDR", head), *before, (b"IDAT", zlib.compress(rows)), *after, (b"IEND", b"")]
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


def test_limits_are_given_back_by_many_threads():
    before = Image.MAX_IMAGE_PIXELS, PngImagePlugin.MAX_TEXT_CHUNK, list(warnings.filters)
    data = saved("PNG")
    with ThreadPoolExecutor(8) as pool:
        for _ in pool.map(picture.load, [data] * 200):
            pass
    assert before == (Image.MAX_IMAGE_PIXELS, PngImagePlugin.MAX_TEXT_CHUNK, list(warnings.filters))


def test_a_large_profile_in_a_png_is_read():
    profile = bytes(3_000_000)
    assert picture.load(saved("PNG", icc_profile=profile)).icc == profile


def test_the_first_picture_of_a_phones_jpeg():
    more = Image.new("RGB", (8, 8))
    assert picture.load(saved("MPO", save_all=True, append_images=[more])).pixels.shape == (24, 32, 3)


@pytest.mark.parametrize(("profile", "channels"), [(b"", 1), (b"a profile of RGB", 3)])
def test_a_gray_palette_with_a_profile_stays_rgb(profile: bytes, channels: int):
    """A gray PNG must not carry a profile of RGB."""
    image = Image.new("P", (4, 4))
    image.putpalette([level for gray in range(8) for level in [gray * 30] * 3])
    out = io.BytesIO()
    image.save(out, "PNG", icc_profile=profile or None)
    assert picture.load(out.getvalue()).pixels.shape == (4, 4, channels)


@pytest.mark.parametrize("depth", [1, 2, 4, 8])
def test_the_transparent_level_of_a_gray_png_is_that_of_its_depth(depth: int):
    """One pixel a byte of 0 and one of 1 in the first row, whose level 1 is transparent."""
    row = b"\0\1" if depth == 8 else bytes([1 << (8 - 2 * depth)])
    data = png(2, 1, depth, 0, b"\0" + row, transparent=b"\0\1")
    image = Image.open(io.BytesIO(data))
    for read in (picture.load(data), picture.from_image(image), picture.from_image(image)):
        assert read.alpha is not None
        assert read.alpha.tolist() == [[255, 0]]
        assert read.pixels[:, :, 0].tolist() == [[0, 255 // (2**depth - 1)]]


def test_a_bmp_of_16_bits_a_pixel_is_not_deep():
    head = struct.pack("<IiiHHIIiiII", 40, 2, 1, 1, 16, 3, 4, 0, 0, 0, 0) + struct.pack("<III", 0xF800, 0x7E0, 0x1F)
    data = b"BM" + struct.pack("<IHHI", 14 + len(head) + 4, 0, 0, 14 + len(head)) + head
    read = picture.load(data + struct.pack("<HH", 0xF800, 0x07E0))
    assert read.pixels.tolist() == [[[255, 0, 0], [0, 255, 0]]]


@given(st.sampled_from(picture.FORMATS), st.integers(0, 10_000), st.integers(1, 255), st.integers(0, 3))
@settings(max_examples=150, deadline=None)
def test_damaged_files_are_image_errors_or_pictures(kind: str, at: int, mask: int, cut: int):
    data = bytearray(saved(kind))
    data[at % min(len(data), 400)] ^= mask
    data = data[: len(data) * (4 - cut) // 4]
    with contextlib.suppress(ImageError):
        picture.load(bytes(data))


def test_alpha_in_a_palette_is_alpha():
    shades = np.zeros((4, 4, 4), np.uint8)
    shades[..., 3] = np.arange(0, 256, 64)
    image = Image.fromarray(shades).quantize(16)
    assert image.mode == "P"
    alpha = picture.from_image(image).alpha
    assert alpha is not None
    assert np.array_equal(alpha, np.asarray(image.convert("RGBA"))[..., 3])


@pytest.mark.parametrize("metadata", ["text", Image.Exif(), bytearray(3)])
def test_metadata_are_bytes(metadata: Any):
    with pytest.raises(ImageError, match="bytes"):
        picture.Picture(scene(3, 4), exif=metadata)


def test_broken_images_and_ragged_lists_through_the_api():
    with pytest.raises(ImageError, match="cut short"):
        picture.from_image(Image.open(io.BytesIO(saved("PNG")[:300])))
    with pytest.raises(ImageError):
        picture.from_array([[1, 2], [3]])


def two_headers(width: int, height: int, second_width: int, second_height: int) -> bytes:
    """A gray PNG; Pillow takes the second header's size."""
    data = png(width, height, 8, 0, bytes((width + 1) * height))
    return data[:33] + png(second_width, second_height, 8, 0, b"")[8:33] + data[33:]


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
        (two_headers(7, 9, 1 << 20, 1 << 20), (9, 7)),
        (two_headers(7, 9, 6, 9), (9, 7)),
    ):
        with pytest.raises(FormatError, match="alpha"):
            unpack_alpha(wrong, *size)
