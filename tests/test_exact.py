"""Integers only choose tables: one file gives one set of symbols whatever the machine does underneath."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from ideal import entropy_bits
from ncodec import base
from ncodec.container import Tag
from ncodec.entropy import Encoder
from ncodec.nets.exact import SUM_LIMITS, ExactDepthwise, ExactLinear, IntegerWeights
from ncodec.nets.model import Model
from ncodec.nets.prior import place_step, split_step
from ncodec.nets.windows import windows
from ncodec.paths import LatentPaths
from ncodec.weights import Models
from pictures import scene

DECODE = """
import hashlib, sys, torch
from pathlib import Path
from ncodec import base
from ncodec.container import Section, Tag
from ncodec.weights import Models
torch.set_num_threads(int(sys.argv[2]))
torch.backends.mkldnn.enabled = sys.argv[3] == "onednn"
torch.set_float32_matmul_precision("medium")  # a setting of somebody else's program must not matter
model = Models(torch.device(sys.argv[4]), getattr(torch, sys.argv[5])).by_name("base")
hyper, latents = ((Path(sys.argv[1]) / name).read_bytes() for name in ("hyper", "latents"))
latents = Section.of(Tag.LATENTS_TRELLIS, latents)
print(hashlib.sha256(base.decode_base(model, hyper, latents, 96, 144).cpu().numpy().tobytes()).hexdigest())
"""
SETTINGS = {
    "two threads": (["2", "onednn", "cpu", "float32"], {}),
    "bfloat16 synthesis": (["2", "onednn", "cpu", "bfloat16"], {}),
    "one thread, no oneDNN": (["1", "plain", "cpu", "float32"], {}),
    "AVX2": (
        ["1", "onednn", "cpu", "float32"],
        {"ATEN_CPU_CAPABILITY": "avx2", "ONEDNN_MAX_CPU_ISA": "AVX2", "MKL_ENABLE_INSTRUCTIONS": "AVX2"},
    ),
    "SSE": (
        ["2", "onednn", "cpu", "float32"],
        {"ATEN_CPU_CAPABILITY": "default", "ONEDNN_MAX_CPU_ISA": "SSE41", "MKL_ENABLE_INSTRUCTIONS": "SSE4_2"},
    ),
}
if torch.cuda.is_available():
    SETTINGS["CUDA"] = (["2", "onednn", "cuda", "bfloat16"], {})


@pytest.fixture(scope="module")
def coded(models: Models, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A folder with the payloads of a small noisy picture, and the hash of its latents as the encoder has them."""
    layer = base.encode_base(models.by_name("base"), torch.from_numpy(scene(96, 144, sigma=25)), 6)
    folder = tmp_path_factory.mktemp("coded")
    assert layer.latents.tag == Tag.LATENTS_TRELLIS
    (folder / "hyper").write_bytes(layer.hyperprior.payload)
    (folder / "latents").write_bytes(layer.latents.payload)
    return folder, hashlib.sha256(layer.y_hat.numpy().tobytes()).hexdigest()


@pytest.mark.parametrize("setting", SETTINGS)
def test_symbols_are_the_same_under_every_setting(coded: tuple[Path, str], setting: str):
    folder, expected = coded
    arguments, environment = SETTINGS[setting]
    done = subprocess.run(
        [sys.executable, "-c", DECODE, str(folder), *arguments],
        env={**os.environ, **environment}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == expected


def test_memory_layout_does_not_matter(model: Model):
    """Channels first in memory, transposed, and contiguous inputs of the integer networks."""
    rng = np.random.default_rng(3)
    z = torch.from_numpy(rng.integers(-9, 10, (5, 7, model.arch.hyper)).astype(np.int16))
    features = model.prior.features(z)
    mean, rows = model.prior.step1(features)
    for order in ((2, 0, 1), (1, 0, 2)):
        strange = z.permute(order).contiguous().permute([order.index(axis) for axis in range(3)])
        assert strange.stride() != z.stride()
        assert torch.equal(model.prior.features(strange), features)
        strange = features.permute(order).contiguous().permute([order.index(axis) for axis in range(3)])
        assert all(torch.equal(a, b) for a, b in zip(model.prior.step1(strange), (mean, rows), strict=True))


def test_slices_give_the_values_of_a_run_on_the_whole(model: Model):
    """One slice border in each direction, at 1024 pixels; sizes that are no multiple of anything."""
    rng = np.random.default_rng(0)
    height, width = 67, 70
    z = torch.from_numpy(rng.integers(-9, 10, (17, 18, model.arch.hyper)).astype(np.int16))
    y = torch.from_numpy(rng.normal(0, 3, (height, width, model.arch.latent)).astype(np.float32))
    whole = model.prior.features(z)[:height, :width]
    assert torch.equal(base.latent_features(model, z, height, width), whole)
    first = torch.zeros(height, width, model.arch.latent)
    grid = torch.round(y * 128)
    place_step(first, split_step(grid, 0), 0)
    mean, rows = model.prior.step2(whole, first, 0, 0)
    for window in windows(height, width, base.SLICE_LATENTS, 1):
        part_mean, part_rows = base.step_parameters(model, whole, grid / 128, window, 1)
        assert torch.equal(part_mean, mean[window.core])
        assert torch.equal(part_rows, rows[window.core])


@pytest.mark.parametrize("core", [16, 32])
def test_windowed_transforms_give_the_pixels_of_a_run_on_the_whole(model: Model, core: int):
    picture = torch.from_numpy(scene(530, 700, sigma=10))
    whole = model.transforms.analyse(picture, 3)
    assert torch.allclose(model.transforms.analyse(picture, 3, core=core), whole, atol=2e-2)
    z = model.transforms.hyper_analyse(whole)
    assert (model.transforms.hyper_analyse(whole, core=core) != z).float().mean() < 1e-3
    pixels = model.transforms.synthesise(whole.round(), 3, 530, 700, 3)
    windowed = model.transforms.synthesise(whole.round(), 3, 530, 700, 3, core=core)
    assert (pixels.int() - windowed.int()).abs().max() <= 1


def test_bfloat16_stays_within_a_level_or_two_of_float32(model: Model):
    """Block means too: an error that does not average out shows as steps in a flat sky."""
    fast = Models(torch.device("cpu"), torch.bfloat16).by_name("base")
    y = model.transforms.analyse(torch.from_numpy(scene(256, 384, sigma=25)), 5).round()
    exact = model.transforms.synthesise(y, 5, 256, 384, 3).float()
    error = fast.transforms.synthesise(y, 5, 256, 384, 3).float() - exact
    assert error.abs().max() <= 2
    assert error.view(32, 8, 48, 8, 3).mean((1, 3)).abs().max() <= 0.6


def layer(weight: np.ndarray, bias: np.ndarray, shift: int, clamp: int, *, depthwise: bool = False) -> IntegerWeights:
    """`weight` as in a file; all outputs alike."""
    tensors = {
        "l.weight": torch.from_numpy(weight.astype(np.int16)),
        "l.bias": torch.from_numpy(bias.astype(np.int64)),
        "l.shift": torch.full((len(bias),), shift, dtype=torch.int32),
        "l.clamp": torch.full((len(bias),), clamp, dtype=torch.int32),
    }
    return IntegerWeights.of(tensors, "l", depthwise=depthwise)


def test_every_integer_layer_is_proven_and_the_proof_can_fail():
    wide = layer(np.full((1, 4096), 32767), np.zeros(1), 16, 1)
    with pytest.raises(ValueError, match="past 2"):
        wide.largest_sum(torch.full((4096,), 2**26), "wide")
    assert wide.largest_sum(torch.full((4096,), 2**24), "wide") == 4096 * 32767 * 2**24 + 2**16
    assert layer(np.array([[-3, 5]]), np.array([-7]), 4, 1).largest_sum(torch.tensor([10, 100]), "l") == 537 + 16
    with pytest.raises(ValueError, match="past 2"):
        layer(np.zeros((1, 1)), np.array([-(2**63) + 1]), 1, 1).largest_sum(torch.tensor([1]), "biased")


def test_the_released_model_is_carried_in_float32(model: Model):
    assert model.prior.dtype == torch.float32
    assert model.prior.carrier() == torch.float32


def test_coarse_products_are_noticed(model: Model, monkeypatch: pytest.MonkeyPatch):
    """As on a machine whose float32 products are made of bfloat16 ones, or of two of them, or of tf32 ones."""
    z = torch.from_numpy(np.random.default_rng(1).integers(-9, 10, (3, 4, model.arch.hyper)).astype(np.int16))
    expected, exact = model.prior.features(z), torch.mm

    def coarse(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return exact(rounded(x), rounded(y)) if x.dtype == torch.float32 else exact(x, y)

    for digits in (8, 11, 16, 22):

        def rounded(x: torch.Tensor, digits: int = digits) -> torch.Tensor:
            mantissa, exponent = torch.frexp(x)
            return torch.ldexp((mantissa * 2**digits).round() / 2**digits, exponent)

        monkeypatch.setattr(torch, "mm", coarse)
        features = model.prior.features(z)
        monkeypatch.undo()
        assert features.dtype == torch.float64
        assert torch.equal(features, expected.double())


@pytest.mark.parametrize(("dtype", "shift", "reach"), [(torch.float32, 9, 250), (torch.float64, 16, 2**23 - 1)])
def test_linear_layer_is_what_the_format_page_says(
    rng: np.random.Generator, dtype: torch.dtype, shift: int, reach: int
):
    """Against Python's own integers, with inputs at the very ends of the range, and sums near what the type holds."""
    most = 2700 if dtype == torch.float32 else 32767
    weight, bias = rng.integers(-most, most + 1, (5, 24)), rng.integers(-(2**18), 2**18, 5)
    x, added = rng.choice([-reach, reach, 0, 1, -1, 123], (3, 2, 24)), rng.integers(-500, 500, (3, 2, 5))
    for slope_bits, clamp, onto in ((0, 2**23 - 1, None), (0, 3000, added), (3, 2**23 - 1, None), (7, 500, None)):
        weights = layer(weight, bias, shift, clamp)
        largest = weights.largest_sum(torch.full((24,), reach), "l")
        assert SUM_LIMITS[dtype] / 2**12 < largest < SUM_LIMITS[dtype]
        linear = ExactLinear(weights, 2.0**-slope_bits).to(torch.device("cpu"), dtype)
        stream = None if onto is None else torch.from_numpy(onto).to(dtype)
        out = linear(torch.from_numpy(x).to(dtype), stream)
        for place in np.ndindex(3, 2):
            for o in range(5):
                total = sum(int(w) * int(v) for w, v in zip(weight[o], x[place], strict=True)) + int(bias[o])
                scaled, unit = total << (7 - slope_bits if total < 0 else 7), 1 << (7 + shift)
                rounded = (2 * scaled + unit) // (2 * unit) + (0 if onto is None else int(onto[place][o]))
                assert int(out[place][o]) == max(-clamp, min(clamp, rounded))


@pytest.mark.parametrize(("dtype", "shift", "reach"), [(torch.float32, 9, 250), (torch.float64, 16, 2**23 - 1)])
def test_depthwise_layer_is_what_the_format_page_says(
    rng: np.random.Generator, dtype: torch.dtype, shift: int, reach: int
):
    most = 7000 if dtype == torch.float32 else 32767
    weight, bias = rng.integers(-most, most + 1, (9, 3)), rng.integers(-(2**18), 2**18, 3)
    x = rng.integers(-reach, reach + 1, (4, 5, 3))
    weights = layer(weight, bias, shift, 4000, depthwise=True)
    assert weights.largest_sum(torch.full((3, 1), reach), "d") < SUM_LIMITS[dtype]
    out = ExactDepthwise(weights).to(torch.device("cpu"), dtype)(torch.from_numpy(x).to(dtype))
    padded = np.pad(x, ((1, 1), (1, 1), (0, 0)))
    for i, j, c in np.ndindex(4, 5, 3):
        window = padded[i : i + 3, j : j + 3, c].ravel()
        total = sum(int(a) * int(b) for a, b in zip(window, weight[:, c], strict=True)) + int(bias[c])
        assert int(out[i, j, c]) == max(-4000, min(4000, (2 * total + (1 << shift)) >> (shift + 1)))


def test_real_bytes_fit_the_estimated_entropy(model: Model, monkeypatch: pytest.MonkeyPatch):
    tables, bits = model.latent_tables, 0.0

    class Counted(LatentPaths):
        def push(self, encoder: Encoder, symbols: np.ndarray) -> np.ndarray:
            nonlocal bits
            rows = self._rows + len(tables.size) // 2 * self.odd(symbols).astype(np.uint16)
            bits += entropy_bits(symbols, rows, tables)
            return super().push(encoder, symbols)

    monkeypatch.setattr(base, "LatentPaths", Counted)
    for quality in (1, 8):
        bits = 0.0
        layer = base.encode_base(model, torch.from_numpy(scene(192, 256, sigma=25)), quality)
        overhead = 8 * 8  # symbol checksum and a length
        assert abs(8 * len(layer.latents.payload) - overhead - bits) <= 0.01 * bits + 2 * 64
