"""Without metadata: `--no-metadata` of encode and decode, and pictures that stay upright without their EXIF."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

import ncodec
from ncodec.cli.main import main
from ncodec.container import Section, Tag, dump, parse
from ncodec.picture import Picture, load
from ncodec.upright import upright
from pictures import scene

PROFILE = b"a profile of colours"


def picture(turn: int, mode: str = "RGB") -> bytes:
    """A PNG that EXIF turns."""
    exif = Image.Exif()
    exif[271], exif[274] = "a camera", turn
    image = Image.fromarray(scene(70, 90)).convert(mode)
    if "A" in mode:
        image.putalpha(Image.linear_gradient("L").resize(image.size))
    file = io.BytesIO()
    image.save(file, "PNG", exif=exif, icc_profile=PROFILE)
    return file.getvalue()


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to work in, with `in.png`: to be turned a quarter, with alpha and a profile."""
    (tmp_path / "in.png").write_bytes(picture(6, "RGBA"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("mode", ["L", "RGBA"])
@pytest.mark.parametrize("turn", range(10))
def test_pictures_are_turned_as_pillow_turns_them(turn: int, mode: str) -> None:
    found = load(picture(turn, mode))
    turned = upright(found, found.exif)
    expected = np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(picture(turn, mode)))))
    planes = turned.pixels if turned.alpha is None else np.dstack([turned.pixels, turned.alpha])
    assert np.array_equal(planes.squeeze(), expected)
    assert (turned.exif, turned.icc) == (None, PROFILE)


@pytest.mark.parametrize("shape", [(1, 9, 3), (9, 1, 3), (1, 1, 3)])
@pytest.mark.parametrize("turn", range(1, 9))
def test_a_single_row_is_not_left_backwards(turn: int, shape: tuple[int, int, int]) -> None:
    """torch takes no such array."""
    exif = load(picture(turn)).exif
    assert min(upright(Picture(np.zeros(shape, np.uint8)), exif).pixels.strides) > 0


@pytest.mark.parametrize("exif", [b"", b"no EXIF", b"Exif\0\0MM\0*\0\0\0\x08\xff\xff", None])
@pytest.mark.filterwarnings("error")
def test_what_cannot_be_read_turns_nothing(exif: bytes | None) -> None:
    found = load(picture(1))
    assert np.array_equal(upright(found, exif).pixels, found.pixels)


def test_encode_without_exif(place: Path, weights: Path) -> None:
    assert main(["encode", "in.png", "--model", str(weights), "--no-metadata", "-q"]) == 0
    image = ImageOps.exif_transpose(Image.open("in.png"))
    image.info.pop("exif", None)
    assert Path("in.ncd").read_bytes() == ncodec.encode(image, model=weights)
    box = parse(Path("in.ncd").read_bytes())
    assert (box.header.width, box.header.height) == (70, 90)
    assert box.has(Tag.ICC)
    assert not box.has(Tag.EXIF)


def test_decode_without_metadata(place: Path, weights: Path) -> None:
    assert main(["encode", "in.png", "--model", str(weights), "-q"]) == 0
    data = Path("in.ncd").read_bytes()
    as_stored = ncodec.decode(data, models=(weights,))
    assert main(["decode", "in.ncd", "-o", "out.png", "--model", str(weights), "--no-metadata", "-q"]) == 0
    out = Image.open("out.png")
    assert np.array_equal(np.asarray(out), np.rot90(as_stored, -1))
    assert {"exif", "icc_profile"}.isdisjoint(out.info)
    image = ncodec.decode_image(data, metadata=False, models=(weights,))
    assert np.array_equal(np.asarray(image), np.asarray(out))
    image = ncodec.decode_image(data, models=(weights,))
    assert np.array_equal(np.asarray(image), as_stored)
    assert image.info["exif"] == Image.open("in.png").info["exif"]


def test_damaged_exif_stops_only_who_wants_it(place: Path, weights: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["encode", "in.png", "--model", str(weights), "-q"]) == 0
    box = parse(Path("in.ncd").read_bytes())
    sections = tuple(Section(Tag.EXIF, b"damaged", 0) if part.tag == Tag.EXIF else part for part in box.sections)
    Path("in.ncd").write_bytes(dump(replace(box, sections=sections)))
    decode = ["decode", "in.ncd", "-o", "out.png", "--model", str(weights)]
    assert main(decode) == 4
    assert "--no-metadata decodes the picture" in capfd.readouterr().err
    assert main([*decode, "--no-metadata"]) == 0
    assert np.array_equal(
        np.asarray(Image.open("out.png")), ncodec.decode(Path("in.ncd").read_bytes(), models=(weights,))
    )
