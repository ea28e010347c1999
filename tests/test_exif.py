"""What pictures tell of camera, time and place: kept byte for byte where it is EXIF, gathered where it is a TIFF's."""

from __future__ import annotations

import io
from typing import Any

import pytest
from PIL import Image, PngImagePlugin, TiffImagePlugin

from ncodec import picture
from pictures import scene


def saved(kind: str, **options: object) -> bytes:
    out = io.BytesIO()
    Image.fromarray(scene(24, 32)).save(out, kind, **options)
    return out.getvalue()


def as_text(exif: bytes) -> PngImagePlugin.PngInfo:
    """As ImageMagick writes it: a name, a length, and lines of 36 bytes in hexadecimal digits."""
    digits = exif.hex()
    lines = [digits[i : i + 72] for i in range(0, len(digits), 72)]
    text = PngImagePlugin.PngInfo()
    text.add_text("Raw profile type exif", "\n".join(["", "exif", f"{len(exif):8d}", *lines, ""]), zip=True)
    return text


def test_exif_in_a_text_of_a_png_is_kept():
    exif = Image.Exif()
    exif[271], exif[274] = "a camera of old", 6
    file = io.BytesIO()
    Image.new("RGB", (9, 8)).save(file, "PNG", pnginfo=as_text(exif.tobytes()))
    found = picture.load(file.getvalue())
    assert found.exif == exif.tobytes()
    assert dict(Image.open(io.BytesIO(picture.save_png(found))).getexif()) == dict(exif)


@pytest.mark.parametrize("text", ["", "\nexif\n 4\nxyz", "\nexif\n", "1"])
def test_a_text_that_is_no_exif_is_passed_over(text: str):
    file, info = io.BytesIO(), PngImagePlugin.PngInfo()
    info.add_text("Raw profile type exif", text)
    Image.new("RGB", (9, 8)).save(file, "PNG", pnginfo=info)
    assert picture.load(file.getvalue()).exif is None


def test_a_tiff_file_keeps_what_it_tells_of_the_camera():
    exif = Image.Exif()
    exif[271], exif[274] = "a camera", 6  # make, orientation
    exif.get_ifd(0x8769)[33434] = (1, 60)  # exposure
    exif[0x8769] = {}  # without an entry of its own Pillow leaves the inner table out of a TIFF file
    read = picture.load(saved("TIFF", exif=exif))
    assert read.pixels.shape == (32, 24, 3)  # turned already, so the orientation is not kept
    assert read.exif is not None
    kept = Image.Exif()
    kept.load(read.exif)
    assert {tag: kept[tag] for tag in kept if tag != 0x8769} == {271: "a camera"}
    assert kept.get_ifd(0x8769) == {33434: (1, 60)}
    assert picture.load(saved("TIFF")).exif is None


def tiff_with(entries: dict[int, tuple[int, Any]]) -> bytes:
    """A TIFF file with entries (tag -> type, value) of any type."""
    table = TiffImagePlugin.ImageFileDirectory_v2()
    for tag, (kind, value) in entries.items():
        table.tagtype[tag] = kind
        table[tag] = value
    return saved("TIFF", tiffinfo=table)


def test_text_of_a_tiff_file_keeps_its_bytes():
    """Microscopes write micrometres, and people their names."""
    text = '<OME PhysicalSizeXUnit="\u00b5m"/>'.encode()
    kept = picture.load(tiff_with({270: (2, text), 315: (2, "M\u00fcller".encode("latin-1"))})).exif
    assert kept is not None
    assert text in kept
    assert b"M\xfcller\0" in kept


@pytest.mark.parametrize("odd", [(282, (2, "many")), (296, (4, 70_000)), (306, (5, 1.5)), (271, (12, 2.5))])
def test_an_odd_entry_of_a_tiff_file_is_left_out_alone(odd: tuple[int, tuple[int, Any]]):
    kept = picture.load(tiff_with({272: (2, "a model"), odd[0]: odd[1]})).exif
    assert kept is not None
    read = Image.Exif()
    read.load(kept)
    assert dict(read) == {272: "a model"}


def test_no_entry_of_a_tiff_files_exif_points_to_where_nothing_is():
    exif = Image.Exif()
    exif.get_ifd(0x8769).update({33434: (1, 60), 0xA005: {1: "R98"}})
    exif[0x8769] = exif.get_ifd(0x8769)
    kept = picture.load(saved("TIFF", exif=exif)).exif
    assert kept is not None
    read = Image.Exif()
    read.load(kept)
    assert list(read.get_ifd(0x8769)) == [33434]
