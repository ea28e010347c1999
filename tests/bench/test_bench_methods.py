"""The methods of the comparison and their parts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from bench_tools import save_dncnn, save_references
from ncodec.bench.clock import Clock
from ncodec.bench.methods import METHODS, Method, Output, choose
from ncodec.bench.methods.kit import Kit, Materials
from ncodec.bench.methods.method import CASCADE, FAMILIES, ON_REQUEST
from ncodec.bench.methods.parts import Codec
from ncodec.bench.metrics import psnr_db
from ncodec.bench.pictures import Pair
from ncodec.bench.session import Session, shared_chains
from ncodec.errors import FormatError, ModelError, RequestError
from ncodec.noise import Noise, add_noise
from pictures import scene

SIGMA = 25.0


@pytest.fixture(scope="module")
def kit(tmp_path_factory: pytest.TempPathFactory) -> Kit:
    """All parts, with small networks in place of the shipped denoisers and references."""
    folder = tmp_path_factory.mktemp("weights")
    dncnn, references = save_dncnn(folder / "dncnn"), save_references(folder / "references")
    return Kit(Materials("base", torch.device("cpu"), torch.float32, 1, dncnn, references))


@pytest.fixture(scope="module")
def pair() -> Pair:
    clean = scene(72, 104)
    return Pair(add_noise(clean, Noise.gaussian(SIGMA), 0), clean, SIGMA)


CODECS = sorted({method.codec for method in METHODS if method.codec})


def part(kit: Kit, name: str) -> Codec:
    """Skips where a package is not installed."""
    lack = kit.missing(Method("", "", "", codec=name))
    if lack:
        pytest.skip(lack)
    return kit.codec(name)


def test_methods_are_well_formed(kit: Kit) -> None:
    assert len({method.name for method in METHODS}) == len({method.label for method in METHODS}) == len(METHODS)
    assert {method.family for method in METHODS} == set(FAMILIES)
    assert all((method.family == CASCADE) == bool(method.after) for method in METHODS)
    plain = {method.name for method in METHODS if method.output is Output.PLAIN}
    assert plain == {"ncodec-plain", "avif-grain", "noisy"}
    for method in METHODS:
        kit.missing(method)  # knows every part


def test_choosing_methods() -> None:
    for all_but_slow in ("", "*"):
        assert {method.name for method in METHODS} - {method.name for method in choose(all_but_slow)} == ON_REQUEST
    assert [method.name for method in choose("ncodec-refined,noi*")] == ["ncodec-refined", "noisy"]
    assert [method.name for method in choose("noisy, ncodec-p*")] == ["ncodec-partial", "ncodec-plain", "noisy"]
    assert not any("bm3d" in method.name for method in choose("", "bm3d*"))
    for wanted, without, word in (("nix", "", "nix"), ("", "nix", "ncodec-denoised"), ("noisy", "*", "no method")):
        with pytest.raises(RequestError, match=word):
            choose(wanted, without)


@pytest.mark.parametrize("name", CODECS)
@pytest.mark.parametrize("channels", [1, 3])
def test_every_codec_gives_back_a_picture(kit: Kit, name: str, channels: int) -> None:
    codec = part(kit, name)
    clean = scene(72, 104, channels)
    pair = Pair(add_noise(clean, Noise.gaussian(SIGMA), 0), clean, SIGMA)
    session = Session(pair, kit, Clock(1, torch.device("cpu")), frozenset())
    sizes = []
    for setting in (codec.settings[0], codec.settings[-1]):
        found = session.outcome(Method("", "", "", codec=name), setting)
        assert found.pixels.shape == clean.shape
        assert found.pixels.dtype == np.uint8
        assert (found.encode_s or 0) > 0
        assert (found.decode_s or 0) > 0
        assert found.denoise_s is None
        sizes.append(found.size_bytes)
    random = name in ("hyperprior", "testolina")
    assert sizes[0] < sizes[1] or len(codec.settings) == 1 or random


@pytest.mark.parametrize("name", CODECS)
def test_size_is_that_of_the_file(kit: Kit, pair: Pair, name: str) -> None:
    codec = part(kit, name)
    setting = codec.settings[-1]
    session = Session(pair, kit, Clock(1, torch.device("cpu")), frozenset())
    outcome = session.outcome(Method("", "", "", codec=name), setting)
    assert outcome.size_bytes == len(codec.encode(pair.noisy, setting, SIGMA))


@pytest.mark.parametrize("channels", [1, 3])
def test_a_rate_is_one_of_the_picture_whatever_its_colours(kit: Kit, channels: int) -> None:
    noisy = add_noise(scene(128, 192, channels), Noise.gaussian(SIGMA), 0)
    size = len(part(kit, "jpeg2000").encode(noisy, "0.95", SIGMA))
    assert 8 * size / (128 * 192) == pytest.approx(0.95, rel=0.1)


def test_avif_tuned_for_ssim_is_not_the_one_for_the_eye(kit: Kit, pair: Pair) -> None:
    for colours in ("avif420", "avif444"):
        files = {part(kit, f"{colours}{tuned}").encode(pair.noisy, "60", SIGMA) for tuned in ("", "-ssim")}
        assert len(files) == 2


@pytest.mark.parametrize("name", ["jpeg2000-alone", "avif444-alone"])
def test_compression_alone_loses_as_much_as_the_noise_has(kit: Kit, pair: Pair, name: str) -> None:
    codec = part(kit, name)
    decoded = codec.decode(codec.encode(pair.noisy, codec.settings[0], SIGMA))
    error = np.square(decoded.astype(np.float32) - pair.noisy).mean() ** 0.5
    assert 0.8 * SIGMA < error <= SIGMA


def test_film_grain_is_left_out_of_the_denoised_picture(kit: Kit) -> None:
    grain, denoised = part(kit, "avif-grain"), part(kit, "avif-denoise")
    clean = scene(128, 192)
    noisy = add_noise(clean, Noise.gaussian(SIGMA), 0)
    data = denoised.encode(noisy, "60", SIGMA)
    assert data == grain.encode(noisy, "60", SIGMA)
    assert (psnr_db(denoised.decode(data), clean) or 0) > (psnr_db(grain.decode(data), clean) or 0) + 0.3


@pytest.mark.parametrize("name", ["jpeg", "avif444", "avif-denoise", "avif-grain"])
def test_broken_files_are_refused(kit: Kit, pair: Pair, name: str) -> None:
    codec = part(kit, name)
    data = codec.encode(pair.noisy, codec.settings[0], SIGMA)
    with pytest.raises(FormatError):
        codec.decode(data[: len(data) // 3])


def test_a_format_that_cannot_hold_a_picture_says_so(kit: Kit) -> None:
    with pytest.raises(RequestError, match="WEBP"):
        part(kit, "webp").encode(np.zeros((1, 16384, 3), np.uint8), "50", SIGMA)


@pytest.mark.parametrize("channels", [1, 3])
def test_bm3d_removes_noise(kit: Kit, channels: int) -> None:
    lack = kit.missing(Method("", "", "", before="bm3d"))
    if lack:
        pytest.skip(lack)
    clean = scene(48, 64, channels)
    noisy = add_noise(clean, Noise.gaussian(SIGMA), 0)
    bm3d = kit.denoiser("bm3d")
    assert (psnr_db(bm3d.denoise(noisy, SIGMA), clean) or 0) > (psnr_db(noisy, clean) or 0) + 3
    assert np.array_equal(bm3d.denoise(clean, 0.0), clean)


def test_networks_are_told_the_level_that_they_want(kit: Kit, pair: Pair) -> None:
    for name in ("dncnn", "fdncnn-given", "fdncnn-estimated"):  # these give the picture back as it is
        assert np.array_equal(kit.denoiser(name).denoise(pair.noisy, SIGMA), pair.noisy)


def test_multiplications_are_counted(kit: Kit) -> None:
    arch = kit.model.arch
    encoder = arch.analysis_kmac_per_pixel() + arch.exact_kmac_per_pixel()
    decoder = arch.synthesis_kmac_per_pixel() + arch.exact_kmac_per_pixel()
    assert kit.codec("ncodec-denoised").kmac_per_pixel == pytest.approx(encoder + decoder)
    plain = encoder + decoder + arch.synthesis_kmac_per_pixel()  # the encoder synthesises, too
    assert kit.codec("ncodec-plain").kmac_per_pixel == pytest.approx(plain)
    # compressai's scale hyperprior, all layers 8 wide, by hand; both sides run the hyper-synthesis.
    convolutions = 25 * (3 * 8 / 4 + 64 / 16 + 64 / 64 + 64 / 256)
    normalisations = 64 / 4 + 64 / 16 + 64 / 64
    hyper = 9 * 64 / 256 + 25 * 64 / 1024 + 25 * 64 / 4096
    by_hand = (2 * (convolutions + normalisations) + 3 * hyper) / 1000
    assert kit.codec("hyperprior").kmac_per_pixel == pytest.approx(by_hand)


def test_references_are_sorted_by_rate(kit: Kit) -> None:
    assert kit.codec("hyperprior").settings == ("0.25", "0.5")
    assert kit.codec("testolina").settings == ("0.25",)


def test_what_several_methods_begin_with_is_done_once(kit: Kit, pair: Pair) -> None:
    methods = choose("ncodec-plain,ncodec-then-dncnn,dncnn,dncnn-then-jpeg")
    session = Session(pair, kit, Clock(1, torch.device("cpu")), shared_chains(methods))
    plain, cascade = (session.outcome(method, "3") for method in methods[:2])
    assert (plain.encode_s, plain.decode_s) == (cascade.encode_s, cascade.decode_s)
    assert plain.denoise_s is None
    assert (cascade.denoise_s or 0) > 0
    assert cascade.kmac_per_pixel == pytest.approx(
        (plain.kmac_per_pixel or 0) + (kit.denoiser("dncnn").kmac_per_pixel or 0)
    )
    first, alone = session.outcome(methods[2], "20"), session.outcome(methods[3], "default")
    assert first.denoise_s == alone.denoise_s
    assert alone.encode_s is None


def test_what_is_missing_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "bm3d", None)
    bare = Kit(Materials("base", torch.device("cpu"), torch.float32, 1, tmp_path, tmp_path))
    assert "dncnn-blind.safetensors" in str(bare.missing(*choose("dncnn")))
    assert "plain-*.safetensors" in str(bare.missing(*choose("hyperprior-then-dncnn")))
    assert "package bm3d" in str(bare.missing(*choose("bm3d")))
    assert bare.missing(*choose("ncodec-denoised")) is None
    assert bare.weights() == {}
    (tmp_path / "dncnn-blind.safetensors").write_bytes(b"x")
    with pytest.raises(ModelError):
        bare.missing(*choose("dncnn"))


def test_weights_are_named_with_their_hash(kit: Kit) -> None:
    weights = kit.weights()
    assert set(weights) == {"dncnn", "fdncnn", "plain-0.25", "plain-0.5", "denoising-0.25"}
    assert weights["dncnn"].startswith("dncnn-blind.safetensors ")
