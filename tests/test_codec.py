"""The codec as a whole: every kind of picture, both layers, all strengths, through bytes."""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

import ncodec
from ncodec import codec
from ncodec.container import ENHANCEMENTS, Container, Section, Tag, dump, parse
from ncodec.errors import Damaged, DriftError, FormatError, ImageError, ModelError, RequestError
from ncodec.nets.model import Model
from ncodec.picture import Picture
from ncodec.streams import unpack_streams
from pictures import scene

FORMAT = Path(__file__).parent.parent / "docs" / "format.md"


class OneModel:
    """Stands for ncodec.weights.Models with one model in it."""

    def __init__(self, model: Model) -> None:
        self.model = model

    def by_id(self, model_id: bytes) -> Model:
        if model_id != self.model.id:
            raise ModelError("not here")
        return self.model


def psnr_db(a: np.ndarray, b: np.ndarray) -> float:
    return float(10 * np.log10(255**2 / np.square(a.astype(float) - b).mean()))


def coded(model: Model, picture: Picture, quality: int = 3, noise_quality: int | None = 3) -> Container:
    """Through bytes."""
    return parse(dump(codec.encode(picture, model, quality, noise_quality)))


def test_denoised_is_nearer_to_the_clean_picture_than_the_input_was():
    clean = scene(256, 320)
    noisy = scene(256, 320, sigma=25)
    data = ncodec.encode(noisy, quality=5)
    assert psnr_db(ncodec.decode(data, denoise=True), clean) > psnr_db(noisy, clean) + 6


def test_plain_comes_nearer_to_the_input_the_more_is_paid():
    noisy = scene(128, 192, sigma=25)
    files = [ncodec.encode(noisy, quality=3, noise_quality=n) for n in ("off", 3, 5, 7, 8)]
    sizes = [len(data) for data in files]
    assert sizes == sorted(sizes)
    quality = [psnr_db(ncodec.decode(data), noisy) for data in files[1:]]
    assert quality == sorted(quality)
    assert quality[-1] > 33
    denoised = [ncodec.decode(data, denoise=True) for data in files]
    assert all(np.array_equal(each, denoised[0]) for each in denoised)


def test_strength_goes_from_plain_to_denoised(model: Model):
    noisy = scene(96, 96, sigma=20)
    data = ncodec.encode(noisy, quality=3, noise_quality=8)
    plain, clean = ncodec.decode(data).astype(int), ncodec.decode(data, denoise=1.0).astype(int)
    half = ncodec.decode(data, denoise=0.5).astype(int)
    inside = (plain > 0) & (plain < 255) & (clean > 0) & (clean < 255)  # where nothing was clipped
    assert np.abs(half - (plain + clean) / 2)[inside].max() <= 1


@given(st.integers(1, 70), st.integers(1, 70), st.sampled_from([1, 3]), st.booleans(), st.integers(1, 8))
@settings(max_examples=25, deadline=None)
def test_every_size_and_kind_comes_back(tiny: Model, height: int, width: int, channels: int, alpha: bool, quality: int):
    rng = np.random.default_rng(height * 71 + width)
    pixels = rng.integers(0, 256, (height, width, channels), dtype=np.uint8)
    mask = rng.integers(0, 256, (height, width), dtype=np.uint8) if alpha else None
    box = coded(tiny, Picture(pixels, mask), quality, quality)
    for strength in (0.0, 0.5, 1.0):
        out = codec.decode(box, OneModel(tiny), strength)
        assert out.pixels.shape == pixels.shape
        assert out.alpha is None if mask is None else np.array_equal(out.alpha, mask)


@pytest.mark.parametrize("size", [(1, 1), (1, 300), (300, 1), (15, 17), (16, 16), (64, 65)])
def test_small_sizes_with_the_shipped_model(size: tuple[int, int]):
    picture = scene(*size)
    assert ncodec.decode(ncodec.encode(picture), denoise=True).shape == picture.shape


def test_slices_come_back(tiny: Model):
    """More than one slice in both directions, the last ones narrow."""
    pixels = scene(1030, 1100, sigma=10)
    box = coded(tiny, Picture(pixels), 3, 8)
    assert psnr_db(codec.decode(box, OneModel(tiny), 0.0).pixels, pixels) > 30
    assert codec.decode(box, OneModel(tiny), 1.0).pixels.shape == pixels.shape


def modes() -> dict[str, Image.Image]:
    rgb = Image.fromarray(scene(40, 56))
    gray = rgb.convert("L")
    alpha = Image.fromarray(np.tile(np.arange(56, dtype=np.uint8) * 4, (40, 1)))
    rgba, la = rgb.copy(), gray.copy()
    rgba.putalpha(alpha)
    la.putalpha(alpha)
    return {
        "L": gray,
        "LA": la,
        "RGB": rgb,
        "RGBA": rgba,
        "P": rgb.quantize(64),
        "1": gray.convert("1"),
        "gray P": gray.convert("P"),
    }


@pytest.mark.parametrize(
    ("kind", "mode"),
    [("L", "L"), ("LA", "LA"), ("RGB", "RGB"), ("RGBA", "RGBA"), ("P", "RGB"), ("1", "L"), ("gray P", "L")],
)
def test_pictures_of_every_mode_go_in(kind: str, mode: str):
    image = modes()[kind]
    out = ncodec.decode_image(ncodec.encode(image, quality=8))
    assert out.mode == mode
    assert out.size == image.size
    if mode.endswith("A"):
        assert np.array_equal(np.asarray(out.getchannel("A")), np.asarray(image.getchannel("A")))


def test_a_transparent_palette_becomes_rgba():
    image = modes()["RGB"].quantize(16)
    image.info["transparency"] = 3
    buffer = io.BytesIO()
    image.save(buffer, "PNG", transparency=3)
    from ncodec.picture import load

    picture = load(buffer.getvalue())
    assert picture.alpha is not None
    assert 0 < (picture.alpha == 0).mean() < 1


@pytest.mark.parametrize("backwards", [np.s_[:, :, ::-1], np.s_[::-1], np.s_[:, ::-1]])
def test_arrays_that_run_backwards(backwards: Any):
    """As they do from other libraries' order of colours; of an axis of length 1 numpy makes no copy by itself."""
    for shape in ((9, 7, 1), (1, 7, 3), (9, 1, 3)):
        pixels = scene(9, 7)[: shape[0], : shape[1], : shape[2]]
        turned = np.ascontiguousarray(pixels)[backwards]
        assert ncodec.encode(turned) == ncodec.encode(turned.copy())


def test_profile_and_exif_are_kept():
    image = modes()["RGB"]
    exif = Image.Exif()
    exif[0x0112] = 6
    image.info |= {"icc_profile": b"not a real profile" * 40, "exif": exif.tobytes()}
    data = ncodec.encode(image)
    out = ncodec.decode_image(data, denoise=True)
    assert out.info["icc_profile"] == image.info["icc_profile"]
    assert out.info["exif"] == image.info["exif"]
    assert len(data) < len(ncodec.encode(modes()["RGB"])) + 200


@pytest.mark.parametrize("tag", [Tag.ICC, Tag.EXIF])
def test_damaged_metadata_stop_only_who_wants_them(tag: Tag):
    image = modes()["RGB"]
    image.info |= {"icc_profile": b"not a real profile" * 40, "exif": b"Exif\0\0 nor real EXIF"}
    box = parse(ncodec.encode(image))
    for spoilt, kind in ((Section(tag, b"damaged", 0), Damaged), (Section.of(tag, b"not packed"), FormatError)):
        data = dump(Container(box.header, tuple(spoilt if s.tag == tag else s for s in box.sections)))
        with pytest.raises(kind, match=f"(?i)the {tag.name} section .*; --no-metadata decodes the picture"):
            ncodec.decode_image(data)
        assert not {"icc_profile", "exif"} & ncodec.decode_image(data, metadata=False).info.keys()
        assert np.array_equal(ncodec.decode(data), ncodec.decode(dump(box)))  # an array has no place for them


def test_numpy_numbers_are_numbers():
    data = ncodec.encode(scene(24, 24), quality=np.int64(4))
    assert parse(data).header.quality == 4
    assert np.array_equal(ncodec.decode(data, denoise=np.float32(1)), ncodec.decode(data, denoise=True))


def test_wrong_arguments_are_requests():
    data = ncodec.encode(scene(24, 24))
    assert ncodec.decode(data, denoise=np.bool_(True), device=torch.device("cpu")).shape == (24, 24, 3)
    for wrong in ("img.ncd", None, 5):
        with pytest.raises(RequestError, match=r"bytes of an \.ncd file"):
            ncodec.decode(wrong)  # pyright: ignore[reportArgumentType]
    with pytest.raises(RequestError, match="device None"):
        ncodec.decode(data, device=None)  # pyright: ignore[reportArgumentType]
    with pytest.raises(RequestError, match=r'noise_quality must be an integer in 1\.\.8 or "off"'):
        ncodec.encode(scene(24, 24), noise_quality="x")


def test_gray_stays_gray_and_costs_no_colour():
    noisy = scene(96, 128, channels=1, sigma=15)
    out = ncodec.decode(ncodec.encode(noisy, quality=6), denoise=True)
    assert out.shape == (96, 128)
    assert psnr_db(out, scene(96, 128, channels=1)[:, :, 0]) > 28


def test_off_leaves_the_layer_out_and_plain_says_what_to_do():
    data = ncodec.encode(scene(40, 40), noise_quality="off")
    with pytest.raises(RequestError, match="--denoise or --grain"):
        ncodec.decode(data)
    assert ncodec.decode(data, denoise=True).shape == (40, 40, 3)


def test_strip_equals_off():
    noisy = scene(64, 64, sigma=25)
    box = parse(ncodec.encode(noisy, noise_quality=8))
    assert dump(box.without(*ENHANCEMENTS)) == ncodec.encode(noisy, noise_quality="off")


def test_the_fixed_cost_of_a_base_only_file_is_what_the_format_page_says():
    data = ncodec.encode(scene(64, 64), noise_quality="off")
    box = parse(data)
    _, hyper = unpack_streams(box.section(Tag.HYPERPRIOR), 1, "hyperprior")
    _, latents = unpack_streams(box.section(box.latents), 2, "latents")
    said = re.search(r"only a base layer and of one slice is (\d+) bytes", FORMAT.read_text(encoding="utf-8"))
    assert said is not None
    assert len(data) - sum(map(len, hyper + latents)) == int(said.group(1)) <= 80


def test_grain_looks_like_the_input_and_is_the_same_every_time():
    noisy, clean = scene(192, 256, sigma=20), scene(192, 256)
    data = ncodec.encode(noisy, noise_quality="off", quality=6)
    grainy = ncodec.decode(data, grain=True)
    assert np.array_equal(grainy, ncodec.decode(data, grain=True))
    flat = np.abs(clean.astype(int) - 128).max(2) < 60
    denoised = ncodec.decode(data, denoise=True)
    assert 15 < (grainy.astype(float) - denoised)[flat].std() < 25


def test_noise_layer_is_never_worse_than_leaving_it_out(tiny: Model):
    """J = lambda * D + R with and without the layer, on pictures of all kinds."""
    rng = np.random.default_rng(5)
    kinds = [scene(80, 80, sigma=s) for s in (0, 5, 40)]
    kinds += [rng.integers(0, 256, (80, 80, 3), dtype=np.uint8), np.full((80, 80, 3), 77, np.uint8)]
    for pixels in kinds:
        for quality in (1, 4, 8):
            with_layer, without = coded(tiny, Picture(pixels), 3, quality), coded(tiny, Picture(pixels), 3, None)
            rd_lambda = codec._lambda(quality)

            def cost(
                box: Container, strength: float, pixels: np.ndarray = pixels, rd_lambda: float = rd_lambda
            ) -> float:
                out = codec.decode(box, OneModel(tiny), strength).pixels
                mse = np.square(out.astype(float) - pixels).mean()
                return rd_lambda * mse + 8 * box.size_bytes(*ENHANCEMENTS) / (80 * 80)

            assert cost(with_layer, 0.0) <= cost(without, 1.0) + 0.02


def test_damage_in_the_noise_layer_does_not_stop_a_denoised_decode(model: Model):
    box = parse(ncodec.encode(scene(64, 64, sigma=25), noise_quality=8))
    spoilt = [Section(s.tag, s.payload[:-1] + b"\x55", s.crc) if s.tag in ENHANCEMENTS else s for s in box.sections]
    data = dump(Container(box.header, tuple(spoilt)))
    assert ncodec.decode(data, denoise=True).shape == (64, 64, 3)
    with pytest.raises(Damaged, match="enhancement"):
        ncodec.decode(data)


@pytest.mark.parametrize("tag", [Tag.HYPERPRIOR, Tag.LATENTS_TRELLIS, Tag.ENHANCEMENT_TRELLIS])
def test_wrong_symbols_are_called_drift_or_a_bad_file_never_a_picture(tag: Tag):
    """Payloads changed under a checksum that fits: what a machine with other arithmetic would meet.

    Streams are what that machine takes wrong symbols from; lengths, parameters and the streams' last byte (it must not
    be 0) are the file's own.
    """
    box = parse(ncodec.encode(scene(48, 48, sigma=25), noise_quality=6, quality=4))
    payload = box.section(tag)
    stream_at = {Tag.HYPERPRIOR: 4, Tag.LATENTS_TRELLIS: 8}.get(tag, len(payload) // 2)
    step = max(1, len(payload) // 25)
    for at in range(0, len(payload), step):
        bad = bytearray(payload)
        bad[at] ^= 0x10
        sections = tuple(Section.of(s.tag, bytes(bad)) if s.tag == tag else s for s in box.sections)
        if tag == Tag.ENHANCEMENT_TRELLIS and at == 0:  # the share that info shows; no symbol depends on it
            continue
        is_stream = stream_at <= at and bad[-1]
        with pytest.raises(DriftError if is_stream else (DriftError, FormatError)):
            ncodec.decode(dump(Container(box.header, sections)))


@pytest.mark.parametrize(
    ("picture", "what"),
    [
        (np.zeros((4, 4, 3), np.float32), "uint8"),
        (np.full((4, 4, 3), np.nan), "uint8"),
        (np.zeros((4, 4, 3), np.uint16), "uint8"),
        (np.zeros((0, 4, 3), np.uint8), "empty"),
        (np.zeros((4, 4, 5), np.uint8), "1..4"),
        (np.zeros(4, np.uint8), "1..4"),
        (np.zeros((2, 4, 4, 3), np.uint8), "1..4"),
        ("a name", "uint8"),
        (np.broadcast_to(np.zeros((1, 1, 1), np.uint8), (1 << 14, (1 << 14) + 1, 3)), "limit"),
        (np.broadcast_to(np.zeros((1, 1), np.uint8), (1, (1 << 20) + 1)), "limit"),
        (Image.new("I;16", (4, 4)), "8 bits"),
        (Image.new("F", (4, 4)), "8 bits"),
        (Image.new("CMYK", (4, 4)), "CMYK"),
    ],
)
def test_what_is_no_8_bit_picture_is_refused(picture: object, what: str):
    with pytest.raises(ImageError, match=what):
        ncodec.encode(picture)  # pyright: ignore


@pytest.mark.parametrize(
    "arguments", [{"quality": 0}, {"quality": 9}, {"quality": 2.5}, {"quality": True}, {"noise_quality": "on"}]
)
def test_senseless_requests_are_refused(arguments: dict):
    with pytest.raises(RequestError):
        ncodec.encode(np.zeros((4, 4), np.uint8), **arguments)
    with pytest.raises(RequestError):
        ncodec.decode(b"", denoise=1.5)
    with pytest.raises(RequestError, match="device"):
        ncodec.decode(ncodec.encode(np.zeros((4, 4), np.uint8)), denoise=True, device="quantum")


def test_a_read_only_array_is_taken_and_the_input_is_left_alone():
    picture = scene(32, 32)
    before = picture.copy()
    picture.flags.writeable = False
    ncodec.encode(picture)
    assert np.array_equal(picture, before)


def test_an_unknown_model_is_named():
    data = bytearray(ncodec.encode(np.zeros((8, 8), np.uint8)))
    box = parse(bytes(data))
    from dataclasses import replace

    with pytest.raises(ModelError, match="deadbeef"):
        ncodec.decode(dump(Container(replace(box.header, model=bytes.fromhex("deadbeef00000000")), box.sections)))
