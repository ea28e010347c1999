"""The noise module: adding noise with known statistics, and finding it again."""

from __future__ import annotations

import os
import tracemalloc
import warnings
from pathlib import Path

import numpy as np
import pytest
import skimage
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from ncodec.errors import ImageError, RequestError
from ncodec.noise import Noise, add_noise, estimate_noise, model, parse_noise

MIXED = Noise(0.01, 0.0004)
EXTREME = Noise(0.2**2, 0.04**2)  # the strongest of Testolina et al. 2021

DATA = Path(os.environ.get("NCODEC_DATA", ""))
needs_data = pytest.mark.skipif("NCODEC_DATA" not in os.environ, reason="NCODEC_DATA names no folder of pictures")


def load(path: Path) -> np.ndarray:
    pixels = np.asarray(Image.open(path))
    return pixels[..., None] if pixels.ndim == 2 else pixels


def sample(name: str) -> np.ndarray:
    """A picture out of scikit-image's wheel; never downloaded."""
    return load(Path(skimage.__file__).parent / "data" / name)


def flat(level: int, side: int = 256, channels: int = 1) -> np.ndarray:
    return np.full((side, side, channels), level, np.uint8)


def ramp(side: int = 384, channels: int = 3) -> np.ndarray:
    """Levels 10 ... 245 from left to right."""
    return np.broadcast_to(np.linspace(10, 245, side).astype(np.uint8)[None, :, None], (side, side, channels)).copy()


def blur(values: np.ndarray) -> np.ndarray:
    """Binomial [1 2 1] both ways, round the edges."""
    for axis in (0, 1):
        values = (np.roll(values, 1, axis) + 2 * values + np.roll(values, -1, axis)) / 4
    return values


def worst_error(estimate: Noise, noise: Noise, clean: np.ndarray) -> float:
    """Largest relative error of sigma at the intensities between the 5 and the 95 % quantile of the picture.

    Not below 0.05, where pure Poisson noise goes to 0 and takes the meaning of a relative error with it.
    """
    low, high = np.quantile(clean[::4, ::4], (0.05, 0.95)) / 255
    y = np.linspace(max(low, 0.05), high, 20)
    return float(np.abs(estimate.sigma_at(y) / noise.sigma_at(y) - 1).max())


# --- the model ---


def test_sigma_follows_the_model():
    noise = Noise(0.04, 0.0016)
    assert noise.sigma_at(0.0) == pytest.approx(0.04)
    assert noise.sigma_at(0.21) == pytest.approx(0.1)
    assert noise.sigma_at(np.array([0.0, 0.21])) == pytest.approx([0.04, 0.1])
    assert noise.sigma_8bit == pytest.approx(255 * (0.02 + 0.0016) ** 0.5)
    assert Noise.gaussian(25).sigma_8bit == pytest.approx(25)


@pytest.mark.parametrize(("a", "b"), [(-0.1, 0), (0, -1e-9), (1.1, 0), (0, 2), (float("nan"), 0), (0, float("inf"))])
def test_parameters_outside_0_to_1_are_refused(a, b):
    with pytest.raises(RequestError, match="from 0 to 1"):
        Noise(a, b)


@pytest.mark.parametrize(
    ("text", "noise"),
    [
        ("none", Noise(0, 0)),
        ("gaussian:25", Noise(0, (25 / 255) ** 2)),
        ("gaussian:0", Noise(0, 0)),
        (" gaussian:2.5 ", Noise(0, (2.5 / 255) ** 2)),
        ("poisson-gaussian:0.04,0.0016", Noise(0.04, 0.0016)),
        ("poisson-gaussian:1e-2, 0", Noise(0.01, 0)),
    ],
)
def test_noise_is_read_from_text(text, noise):
    assert parse_noise(text) == noise


BAD_TEXTS = """none: none:1 gauss:5 GAUSSIAN:5 gaussian gaussian: gaussian:x gaussian:-1 gaussian:256 gaussian:1,2
    gaussian:nan gaussian:inf gaussian:1e308 poisson-gaussian:0.1 poisson-gaussian:, poisson-gaussian:0.1,0.1,0.1
    poisson-gaussian:2,0 poisson-gaussian:0,-1 poisson-gaussian:nan,0"""


@pytest.mark.parametrize("text", ["", *BAD_TEXTS.split()])
def test_other_text_is_refused_in_one_sentence(text):
    with pytest.raises(RequestError) as failure:
        parse_noise(text)
    assert repr(text.partition(":")[2]) in str(failure.value) or repr(text) in str(failure.value)
    assert "\n" not in str(failure.value)


@given(st.text())
def test_any_text_is_noise_or_a_request_error(text):
    try:
        noise = parse_noise(text)
    except RequestError:
        return
    assert 0 <= noise.sigma_8bit <= 361


# --- adding it ---


def test_noise_of_a_seed_is_frozen():
    noisy = add_noise(flat(128, 4, 1)[:2], MIXED, seed=7)
    assert noisy[..., 0].tolist() == [[157, 107, 150, 94], [114, 147, 111, 120]]


@pytest.mark.parametrize("noise", [Noise.gaussian(10), MIXED, EXTREME])
@pytest.mark.parametrize("level", [96, 128, 160])
def test_noise_has_the_variance_of_the_model(noise, level):
    difference = add_noise(flat(level, 512), noise, seed=1).astype(float) - level
    sigma = 255 * noise.sigma_at(level / 255)
    clipped = 0.03 if sigma > 25 else 0.0
    assert difference.std() == pytest.approx((sigma**2 + 1 / 12) ** 0.5, rel=0.006 + clipped)
    assert abs(difference.mean()) < 0.01 * sigma + 20 * clipped


def test_noise_is_white_and_differs_between_channels():
    values = add_noise(flat(128, 512, 3), Noise.gaussian(20), seed=2).astype(float) - 128
    shifted = [values[:, 1:] * values[:, :-1], values[1:] * values[:-1], values[..., 1:] * values[..., :-1]]
    assert all(abs(product.mean()) < 0.01 * 400 for product in shifted)


def test_noise_clips_and_never_wraps():
    dark, bright = (add_noise(flat(level), Noise.gaussian(50), seed=3) for level in (0, 255))
    assert (dark == 0).mean() == pytest.approx(0.5, abs=0.02)
    assert (bright == 255).mean() == pytest.approx(0.5, abs=0.02)
    assert dark.max() < 255 < bright.min() + 255


def test_no_noise_is_a_copy():
    clean = ramp()
    noisy = add_noise(clean, Noise(0, 0), seed=0)
    assert np.array_equal(noisy, clean)
    assert not np.shares_memory(noisy, clean)


def test_seeds_differ_and_repeat():
    clean = flat(100)
    first, again, other = (add_noise(clean, MIXED, seed) for seed in (5, 5, 6))
    assert np.array_equal(first, again)
    assert (first != other).mean() > 0.9


@pytest.mark.parametrize("strip", [1, 1000, 7919, 1 << 30])
def test_strips_do_not_change_the_noise(strip, monkeypatch):
    clean = ramp(100)
    whole = add_noise(clean, MIXED, seed=4)
    monkeypatch.setattr(model, "_STRIP_VALUES", strip)
    assert np.array_equal(add_noise(clean, MIXED, seed=4), whole)


def test_memory_layout_does_not_change_the_noise():
    clean = ramp(64)
    upside_down = np.asfortranarray(clean)[::-1][::-1]
    assert np.array_equal(add_noise(upside_down, MIXED, seed=4), add_noise(clean, MIXED, seed=4))


def test_large_pictures_need_little_memory():
    clean = np.full((3000, 3000, 3), 90, np.uint8)
    tracemalloc.start()
    noisy = add_noise(clean, MIXED, seed=0)
    estimate_noise(noisy)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < clean.nbytes + 32e6  # the result, and a few strips; one float32 copy would be 108 MB


# --- what is no picture ---

NO_PICTURES = [np.zeros((8, 8, 3)), np.zeros((8, 8, 3), np.uint16), np.zeros((8, 8), np.uint8)]
NO_PICTURES += [np.zeros(shape, np.uint8) for shape in ((8, 8, 2), (8, 8, 4), (0, 8, 3), (8, 0, 1), (1, 8, 8, 3))]


@pytest.mark.parametrize("pixels", NO_PICTURES, ids=lambda pixels: f"{pixels.dtype}{list(pixels.shape)}")
def test_other_arrays_are_refused(pixels):
    for call in (estimate_noise, lambda it: add_noise(it, MIXED, 0)):
        with pytest.raises(ImageError, match=r"uint8|empty"):
            call(pixels)


def test_other_objects_are_refused():
    for call in (estimate_noise, lambda it: add_noise(it, MIXED, 0)):
        with pytest.raises(TypeError, match="numpy array"):
            call([[[1, 2, 3]]])


def test_a_negative_seed_is_refused():
    with pytest.raises(RequestError, match="seed"):
        add_noise(flat(1), MIXED, -1)


# --- finding it again ---


@pytest.mark.parametrize("sigma", [2, 5, 10, 25, 50])
@pytest.mark.parametrize("name", ["astronaut.png", "coffee.png", "chelsea.png", "camera.png"])
def test_gaussian_noise_is_found(name, sigma):
    clean, noise = sample(name), Noise.gaussian(sigma)
    error = worst_error(estimate_noise(add_noise(clean, noise, seed=sigma)), noise, clean)
    assert error < (0.10 if sigma >= 5 else 0.25)


@pytest.mark.parametrize("noise", [MIXED, EXTREME, Noise(0.02, 0.0)])
@pytest.mark.parametrize("name", ["astronaut.png", "coffee.png", "chelsea.png", "camera.png"])
def test_mixed_noise_is_found_at_the_intensities_of_the_picture(name, noise):
    clean = sample(name)
    assert worst_error(estimate_noise(add_noise(clean, noise, seed=1)), noise, clean) < 0.10


def test_parameters_are_found_on_a_ramp():
    estimate = estimate_noise(add_noise(ramp(), MIXED, seed=1))
    assert estimate.poisson_a == pytest.approx(MIXED.poisson_a, rel=0.1)
    assert estimate.gaussian_b == pytest.approx(MIXED.gaussian_b, rel=0.3)


@pytest.mark.parametrize(("level", "sigma"), [(40, 15), (128, 15), (220, 15), (128, 1), (128, 3)])
def test_noise_on_a_flat_picture_is_found(level, sigma):
    """At sigma 1, what rounding adds would be 4 %."""
    estimate = estimate_noise(add_noise(flat(level, 384), Noise.gaussian(sigma), seed=1))
    assert estimate.sigma_at(level / 255) * 255 == pytest.approx(sigma, rel=0.03)


@pytest.mark.parametrize("level", [8, 247])
def test_clipping_is_undone(level):
    """Of sigma 40, clipping at level 8 or 247 leaves 27."""
    noisy = add_noise(flat(level, 512), Noise.gaussian(40), seed=1)
    assert noisy.std() < 28
    assert estimate_noise(noisy).sigma_at(level / 255) * 255 == pytest.approx(40, rel=0.1)


def test_saturated_areas_and_borders_do_not_count():
    clean = sample("astronaut.png")
    noisy = add_noise(clean, Noise.gaussian(20), seed=1)
    noisy[:200] = 255
    noisy[:, :150] = 0
    noisy[-80:] = 130
    assert worst_error(estimate_noise(noisy), Noise.gaussian(20), clean) < 0.05


@pytest.mark.parametrize("name", ["coffee.png", "chelsea.png", "camera.png"])
def test_a_black_half_leaves_the_other_half(name):
    clean = sample(name)
    noisy = add_noise(clean, Noise.gaussian(10), seed=1)
    noisy[len(noisy) // 2 :] = 0
    assert worst_error(estimate_noise(noisy), Noise.gaussian(10), clean) < 0.10


def test_texture_of_the_clean_picture_is_not_taken_for_noise():
    limits = {"astronaut.png": 1.5, "coffee.png": 1, "chelsea.png": 1, "camera.png": 1, "brick.png": 1, "coins.png": 1}
    limits |= {"text.png": 1, "page.png": 1, "moon.png": 1, "gravel.png": 2.5}
    for name, limit in limits.items():
        assert estimate_noise(sample(name)).sigma_8bit < limit, name


@pytest.mark.parametrize("name", ["astronaut.png", "coffee.png", "camera.png"])
def test_low_passed_noise_is_found(name):
    """White noise of sigma 24 blurred to 9; its top band alone has a tenth of that, textured low bands have more."""
    clean = sample(name)
    noise = blur(np.random.default_rng(1).normal(0, 24, clean.shape))
    noisy = np.clip(np.rint(clean + noise), 0, 255).astype(np.uint8)
    assert 0.9 < estimate_noise(noisy).sigma_8bit / noise.std() < 1.35


def test_smooth_clean_pictures_have_no_low_passed_noise():
    for name in ("astronaut.png", "coffee.png", "camera.png", "brick.png", "grass.png", "gravel.png", "text.png"):
        smooth = np.rint(blur(sample(name).astype(float))).astype(np.uint8)
        assert estimate_noise(smooth).sigma_8bit < 2.5, name


@pytest.mark.parametrize("shape", [(1, 1, 3), (1, 1, 1), (7, 7, 3), (7, 4000, 1), (4000, 3, 3)])
def test_too_small_to_know_is_zero_noise(shape):
    pixels = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    assert estimate_noise(pixels) == Noise(0, 0)


@pytest.mark.parametrize("level", [0, 1, 128, 255])
def test_flat_is_zero_noise(level):
    assert estimate_noise(flat(level, 64, 3)) == Noise(0, 0)


def test_drawings_have_zero_noise():
    steps = np.repeat(np.repeat(np.arange(16, dtype=np.uint8).reshape(4, 4, 1) * 16, 32, 0), 32, 1)
    steps[::40] = 255
    silhouette = np.where(np.add.outer(np.arange(300) ** 2, np.arange(300) ** 2) < 40000, 0, 255).astype(np.uint8)
    silhouette[100:102, 100:140] = 77
    writing = flat(200)
    writing[:100] = sample("page.png")[:100, :256]
    for drawing in (steps, silhouette[..., None], writing):
        assert estimate_noise(drawing) == Noise(0, 0)


@pytest.mark.parametrize("side", [16, 32, 64])
def test_small_pictures_are_measured_too(side):
    noisy = (add_noise(flat(128, side, 3), Noise.gaussian(20), seed) for seed in range(20))
    errors = [estimate_noise(picture).sigma_8bit / 20 - 1 for picture in noisy]
    assert np.sqrt(np.mean(np.square(errors))) < {16: 0.11, 32: 0.033, 64: 0.024}[side]


def test_gray_and_colour_agree():
    gray = sample("camera.png")
    noise = Noise.gaussian(20)
    one, three = (estimate_noise(add_noise(clean, noise, 1)) for clean in (gray, gray.repeat(3, axis=2)))
    assert one.sigma_8bit == pytest.approx(three.sigma_8bit, rel=0.03)


def test_narrow_pictures_are_sampled():
    for shape in ((8, 200_000, 3), (200_000, 9, 1)):
        noisy = add_noise(np.full(shape, 100, np.uint8), Noise.gaussian(9), 0)
        assert estimate_noise(noisy).sigma_8bit == pytest.approx(9, rel=0.05)


@settings(max_examples=150, deadline=None)
@given(
    shape=st.tuples(st.integers(1, 40), st.integers(1, 40), st.sampled_from([1, 3])),
    levels=st.tuples(st.integers(0, 255), st.integers(0, 255)).map(sorted),
    seed=st.integers(0, 2**32),
)
def test_every_picture_has_an_estimate(shape, levels, seed):
    """Sizes, contrasts, saturation: parameters are in 0 ... 1, and numpy has nothing to warn of."""
    pixels = np.random.default_rng(seed).integers(levels[0], levels[1] + 1, shape, dtype=np.uint8)
    before = pixels.copy()
    with warnings.catch_warnings(), np.errstate(all="raise", under="ignore"):
        warnings.simplefilter("error")
        estimate = estimate_noise(pixels)
        noisy = add_noise(pixels, estimate, seed)
    assert estimate == estimate_noise(pixels)  # also: __post_init__ has checked the ranges
    assert noisy.shape == shape
    assert noisy.dtype == np.uint8
    assert np.array_equal(pixels, before)


# --- measured pictures ---


@needs_data
@pytest.mark.parametrize("noise", [Noise.gaussian(5), Noise.gaussian(50), EXTREME], ids=["5", "50", "extreme"])
def test_every_kodak_picture_is_within_10_percent(noise):
    for seed, path in enumerate(sorted((DATA / "kodak").glob("*.png"))):
        clean = load(path)
        assert worst_error(estimate_noise(add_noise(clean, noise, seed)), noise, clean) < 0.10, path.name


@needs_data
def test_clean_kodak_has_little_noise():
    sigmas = [estimate_noise(load(path)).sigma_8bit for path in sorted((DATA / "kodak").glob("*.png"))]
    assert max(sigmas) < 1.9  # of the film as much as of texture
    assert np.mean(sigmas) < 1.1


@needs_data
def test_real_noise_is_found():
    """Camera pictures (correlated noise) and microscopes (Poisson), against the mean of many exposures."""
    ratios: dict[str, list[float]] = {"cc15": [], "fmd": []}
    for path in sorted((DATA / "real").glob("*/*_real.png")):
        noisy, clean = load(path), load(path.with_name(path.name.replace("_real", "_mean")))
        estimate = 255 * np.sqrt((estimate_noise(noisy).sigma_at(clean / 255.0) ** 2).mean())
        ratios[path.parent.name].append(estimate / (noisy.astype(float) - clean).std())
    assert 0.75 < min(ratios["fmd"]) <= max(ratios["fmd"]) < 1.15
    assert 0.93 < np.median(ratios["cc15"]) < 1.1
    assert np.mean(np.abs(np.array(ratios["cc15"]) - 1) < 0.45) > 0.85  # one is missed, one is texture
