"""The enhancement layer: transform, params, contexts, slices, and the encoder's choices."""

from __future__ import annotations

import contextlib
import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ideal import entropy_bits
from ncodec.enhancement import slices
from ncodec.enhancement.choose import choose, sample
from ncodec.enhancement.contexts import class_thresholds, code_planes, mean_magnitudes
from ncodec.enhancement.params import CLASSES, USUAL_OFFSETS, ZIGZAG, ContextClass, Params
from ncodec.enhancement.quantiser import dequantise
from ncodec.enhancement.rows import class_rows
from ncodec.enhancement.slices import CodedSlice, decode_slice, encode_slice
from ncodec.enhancement.tables import MEANS, ROWS, SCALES, SHAPES, build_tables
from ncodec.enhancement.transform import COLOUR, dct_matrix, forward, inverse
from ncodec.enhancement.trellis import with_odd
from ncodec.entropy import TOTAL, Encoder, Tables, magnitude_bits
from ncodec.errors import FormatError, Truncated

LAMBDAS = np.geomspace(0.0018, 0.09, 8)
"""Of the qualities 1 ... 8 (docs/design.md)."""

TABLES = with_odd(build_tables())

FEW = settings(max_examples=40, deadline=None)
MANY = settings(max_examples=100, deadline=None)


def context_classes(offsets: st.SearchStrategy[int]) -> st.SearchStrategy[tuple[ContextClass, ...]]:
    shape = st.integers(0, SHAPES - 1)
    plain = st.builds(lambda s: (ContextClass(0, s),), shape)
    one = st.builds(ContextClass, offsets, shape)
    return plain | st.tuples(*[one] * CLASSES)


@st.composite
def params_of(draw: st.DrawFn, channels: int) -> Params:
    level = draw(st.integers(0, SCALES))
    bands = [draw(st.integers(0, SCALES)) for _ in range(4)]
    scales = np.full(channels * 64, level, np.uint8)
    scales[draw(st.lists(st.integers(0, channels * 64 - 1), min_size=1, max_size=30))] = bands[0] or 1
    scales[draw(st.lists(st.integers(0, channels * 64 - 1), max_size=60))] = bands[1]
    scales[0] = bands[2] or 7
    shifts = (draw(st.integers(0, 63)), draw(st.integers(0, 63)))
    step_index = draw(st.integers(0, 255))
    classes = draw(context_classes(st.integers(-SCALES, SCALES)))
    return Params(step_index, shifts, classes, scales.tobytes(), draw(st.booleans()))


@st.composite
def residuals(draw: st.DrawFn, most: int = 40) -> np.ndarray:
    height, width = draw(st.integers(1, most)), draw(st.integers(1, most))
    channels = draw(st.sampled_from([1, 3]))
    random = np.random.default_rng(draw(st.integers(0, 1 << 32)))
    kind = draw(st.sampled_from(["noise", "extreme", "flat", "ramp"]))
    shape = (height, width, channels)
    if kind == "noise":
        values = random.normal(0, draw(st.sampled_from([1, 10, 60])), shape)
    elif kind == "extreme":
        values = random.choice([-255, 255], shape)
    elif kind == "flat":
        values = np.full(shape, draw(st.integers(-255, 255)))
    else:
        values = np.add.outer(np.arange(height), 3 * np.arange(width))[:, :, None] * np.ones(channels) - 60
    return np.clip(np.rint(values), -255, 255).astype(np.int16)


def detail(size: int = 256, seed: int = 3) -> np.ndarray:
    """Residual of a picture of edges and textures against a blurred copy: int16 [size, size, 3]."""
    y, x = np.mgrid[:size, :size] / size
    picture = 128 + 60 * np.sign(np.sin(9 * x + 4 * y * y)) + 40 * (x > 0.5) * np.sin(160 * x) * np.sin(90 * y)
    picture += np.random.default_rng(seed).normal(0, 2, picture.shape)
    blurred = picture.copy()
    for axis in (0, 1):
        blurred = sum(np.roll(blurred, shift, axis) for shift in range(-2, 3)) / 5
    return np.rint((picture - blurred)[:, :, None] * [1.0, 0.9, 0.7]).astype(np.int16)


def white(sigma: float, size: int = 256, channels: int = 3) -> np.ndarray:
    return np.rint(np.random.default_rng(7).normal(0, sigma, (size, size, channels))).astype(np.int16)


def layer(residual: np.ndarray, rd_lambda: float) -> tuple[Params, CodedSlice] | tuple[None, None]:
    """What an encoder does with a picture of one slice; None if it leaves the layer out."""
    height, width, channels = residual.shape
    params = choose(sample(residual), height * width, rd_lambda, TABLES)
    if params is None:
        return None, None
    coded = encode_slice(residual, params, rd_lambda, TABLES)
    saved_bits = rd_lambda / channels * (coded.energy - coded.error)
    return (params, coded) if 8 * (len(coded.data) + len(params.to_bytes())) < saved_bits else (None, None)


# Tables


def test_tables_are_symmetric_and_have_the_means_they_are_named_after():
    assert ROWS <= 256
    assert TABLES.size[:ROWS].sum() < 60_000
    assert TABLES.size[0] == 0
    for row in range(1, ROWS):
        counts = TABLES.row_counts(row)[:-1]
        assert (counts == counts[::-1]).all()
        mean = MEANS[(row - 1) % SCALES]
        magnitudes = np.abs(np.arange(len(counts)) + int(TABLES.low[row]))
        if mean < 8:  # the tails of the widest rows escape
            assert counts @ magnitudes / TOTAL == pytest.approx(mean, rel=0.04)


def test_tables_of_another_model_are_refused():
    few = Tables(TABLES.low[:2], TABLES.size[:2], TABLES.row_counts(1))
    with pytest.raises(ValueError, match="201"):
        with_odd(few)


# Transform


def test_matrices_are_orthonormal():
    np.testing.assert_allclose(COLOUR @ COLOUR.T, np.eye(3), atol=1e-12)
    for size in range(1, 9):
        np.testing.assert_allclose(dct_matrix(size) @ dct_matrix(size).T, np.eye(size), atol=1e-12)


@given(residuals())
@FEW
def test_transform_keeps_energy_and_inverts(residual: np.ndarray):
    planes = forward(residual)
    assert np.square(planes, dtype=np.float64).sum() == pytest.approx(
        np.square(residual, dtype=np.float64).sum(), rel=1e-5
    )
    np.testing.assert_allclose(inverse(planes, *residual.shape[:2]), residual, atol=5e-3)


def test_an_edge_block_has_as_many_coefficients_as_samples():
    planes = forward(np.full((9, 10, 1), 3, np.int16))
    assert np.count_nonzero(np.abs(planes) > 1e-4) == 4  # four constant blocks, one DC each
    assert planes[0, 0, 0, 1, 1] == pytest.approx(3 * math.sqrt(2))  # 1 x 2 samples


# Params


@given(st.sampled_from([1, 3]).flatmap(lambda c: st.tuples(st.just(c), params_of(c))), st.binary(max_size=4))
@MANY
def test_params_survive_their_bytes(case: tuple[int, Params], more: bytes):
    channels, params = case
    data = params.to_bytes()
    assert Params.from_bytes(data + more, channels, params.trellis) == (params, len(data))


def test_params_bytes_are_frozen():
    flat = Params(80, (8, 9), (ContextClass(0, 2),), bytes([27] * 64 + [30] * 128))
    assert flat.to_bytes().hex(" ") == "50 20 94 04 13 01 00"
    classes = tuple(ContextClass(o + k % 3 - 1, k % 4) for k, o in enumerate(USUAL_OFFSETS))
    gray = Params(64, (7, 0), classes, bytes([20, 19] + [0] * 62))
    assert gray.to_bytes().hex(" ") == "40 1c 08 dc b6 55 3e 25 dd 67 f8 4c 1f 00"


def test_zigzag_is_that_of_jpeg():
    assert ZIGZAG[:10].tolist() == [0, 1, 8, 16, 9, 2, 3, 10, 17, 24]
    assert ZIGZAG[-3:].tolist() == [55, 62, 63]


@given(params_of(3))
@FEW
def test_every_prefix_of_params_is_truncated(params: Params):
    data = params.to_bytes()
    for cut in range(len(data)):
        with pytest.raises(Truncated):
            Params.from_bytes(data[:cut], 3)


@given(params_of(3), st.integers(0, 10_000), st.integers(1, 255))
@MANY
def test_flipped_params_are_other_params_or_refused(params: Params, at: int, mask: int):
    data = bytearray(params.to_bytes())
    data[at % len(data)] ^= mask
    with contextlib.suppress(FormatError):
        other, used = Params.from_bytes(bytes(data), 3)
        assert used <= len(data)
        assert Params.from_bytes(other.to_bytes(), 3)[0] == other


@given(st.binary(max_size=200), st.sampled_from([1, 3]))
@MANY
def test_noise_as_params_raises_only_format_errors(data: bytes, channels: int):
    with contextlib.suppress(FormatError):
        params, _ = Params.from_bytes(data, channels)
        assert class_rows(params).max() < ROWS


# Contexts


def naive_contexts(magnitudes: np.ndarray, coded: np.ndarray) -> np.ndarray:
    """Contexts by docs/format.md, one coefficient at a time: int [C, 8, 8, by, bx]."""
    *_, rows, columns = magnitudes.shape
    spread, carry, context = (np.zeros(magnitudes.shape, int) for _ in range(3))
    kernel = {(i, j): (2 - abs(i)) * (2 - abs(j)) + 2 * (i == j == 0) for i in (-1, 0, 1) for j in (-1, 0, 1)}
    for c, u, v in np.argwhere(coded):
        for y, x in np.ndindex(rows, columns):
            for (i, j), weight in kernel.items():
                near = magnitudes[c, u, v, min(max(y + i, 0), rows - 1), min(max(x + j, 0), columns - 1)]
                spread[c, u, v, y, x] += weight * near
            own = (carry[c, u - 1, v, y, x] if u else 0) + (carry[c, u, v - 1, y, x] if v else 0)
            context[c, u, v, y, x] = own + (spread[c - 1, u, v, y, x] if c else 0)
            carry[c, u, v, y, x] = 2 * spread[c, u, v, y, x] + own // 4 + own // 8
    return context


def naive_classes(symbols: np.ndarray, params: Params) -> np.ndarray:
    scales = params.scale_array().reshape(-1, 8, 8)
    units, prior = (2, 12) if params.trellis else (1, 6)
    actual = naive_contexts(np.minimum(np.abs(symbols.astype(int)), 63), scales > 0)
    means = np.minimum(units * mean_magnitudes(TABLES)[scales], 63 << 10)
    expected = naive_contexts(means[..., None, None], scales > 0)
    classes = np.zeros(symbols.shape, int)
    for k in range(-4, 7):
        classes += actual > ((expected + prior * 1024) * round(256 * 2 ** (k / 2)) >> 18) - prior
    return classes


@given(params_of(3), st.integers(1, 3), st.integers(1, 3), st.integers(0, 99))
@settings(max_examples=15, deadline=None)
def test_classes_are_those_of_the_format_page(params: Params, rows: int, columns: int, seed: int):
    params = replace(params, classes=tuple(ContextClass(o, 0) for o in USUAL_OFFSETS))
    random = np.random.default_rng(seed)
    values = np.rint(random.standard_cauchy((3, 8, 8, rows, columns))).clip(-(1 << 15), (1 << 15) - 1).astype(np.int16)
    values[..., 0, 0] = -(1 << 15)  # an escape may say so: it has no magnitude in int16
    classes = np.zeros(values.shape, int)

    def code(step, step_classes):
        classes[step.bands] = step_classes
        return values[step.bands], values[step.bands]

    symbols = code_planes(code, values.shape, params, TABLES)
    coded = params.scale_array().reshape(3, 8, 8) > 0
    assert (symbols == values * coded[..., None, None]).all()
    assert (classes == naive_classes(symbols, params) * coded[..., None, None]).all()


def test_thresholds_fit_their_type_where_everything_is_large():
    classes = tuple(ContextClass(o, 0) for o in USUAL_OFFSETS)
    thresholds = class_thresholds(Params(0, (8, 8), classes, bytes([SCALES]) * 192), TABLES)
    assert (np.diff(thresholds.astype(int), axis=-1) >= 0).all()
    assert thresholds.min() >= -6


# Slices


@given(residuals().flatmap(lambda r: st.tuples(st.just(r), params_of(r.shape[2]))), st.sampled_from(LAMBDAS.tolist()))
@settings(max_examples=60, deadline=None)
def test_slices_of_every_size_decode_to_what_was_coded(case: tuple[np.ndarray, Params], rd_lambda: float):
    residual, params = case
    coded = encode_slice(residual, params, rd_lambda, TABLES)
    decoded, symbols = decode_slice(coded.data, *residual.shape[:2], params, TABLES)
    assert symbols.dtype == np.int16
    assert (symbols == coded.symbols).all()
    assert decoded.shape == residual.shape
    assert coded.error == pytest.approx(np.square(residual - np.rint(decoded)).sum(dtype=np.float64), rel=1e-5, abs=0.1)
    assert coded.energy == np.square(residual, dtype=np.float64).sum()


@given(st.binary(max_size=300), params_of(3), st.integers(1, 40), st.integers(1, 40))
@settings(max_examples=60, deadline=None)
def test_garbage_decodes_to_garbage_or_a_format_error(data: bytes, params: Params, height: int, width: int):
    with contextlib.suppress(FormatError):
        decoded, _ = decode_slice(data, height, width, params, TABLES)
        assert np.isfinite(decoded).all()


def test_a_fine_step_reproduces_every_pixel():
    residual = white(40, size=33)
    fine = Params(0, (8, 8), (ContextClass(0, 0),), bytes([SCALES]) * 192)
    coded = encode_slice(residual, fine, 1e3, TABLES)
    decoded, _ = decode_slice(coded.data, 33, 33, fine, TABLES)
    assert np.abs(np.rint(decoded) - residual).max() <= 1
    assert coded.error < 0.001 * coded.energy


def test_levels_are_shifted_towards_zero():
    params = Params(16, (24, 40), (ContextClass(0, 0),), bytes([9]) * 64)
    levels = dequantise(np.array([-32768, -3, -2, -1, 0, 1, 2, 3, 32767], np.int16), params)
    assert levels.tolist() == [-65535, -5, -3, -1.5, 0, 1.5, 3, 5, 65533]


# The encoder's choices


def ideal_quantiser_bits(error: float) -> float:
    """Bits a sample of an ideal entropy-coded uniform scalar quantiser with centroids at this squared error, both for
    a standard normal source: the best that a plain quantiser can do, found by bisection over its step."""
    low, high = 0.05, 9.0
    bits = 0.0
    for _ in range(30):
        step = (low + high) / 2
        edges = (np.arange(-200, 200) + 0.5) * step
        below = np.array([math.erf(e / math.sqrt(2)) / 2 for e in edges])
        density = np.exp(-(edges**2) / 2) / math.sqrt(2 * math.pi)
        used = np.diff(below) > 1e-12
        p = np.diff(below)[used]
        moment = -np.diff(density)[used]  # integral of x over the cell
        bits = float(-(p * np.log2(p)).sum())
        low, high = (step, high) if 1 - (moment**2 / p).sum() < error else (low, step)
    return bits


@pytest.mark.parametrize(("sigma", "quality"), [(10, 8), (25, 4), (25, 6), (50, 3)])
def test_white_noise_costs_what_an_ideal_scalar_quantiser_would_spend(sigma: float, quality: int):
    residual = white(sigma)
    params, coded = layer(residual, LAMBDAS[quality - 1])
    samples, variance = residual.size, residual.astype(float).var()
    size_bits = 8 * (len(coded.data) + len(params.to_bytes()))
    ideal_bits = samples * ideal_quantiser_bits(coded.error / samples / variance)
    assert size_bits < 1.03 * ideal_bits
    assert len(params.to_bytes()) < 60


def test_contexts_pay_on_detail_and_are_left_out_of_noise():
    params, coded = layer(detail(), LAMBDAS[6])
    assert len(params.classes) == CLASSES
    plain = replace(params, classes=(ContextClass(0, 2),))
    without = encode_slice(detail(), plain, LAMBDAS[6], TABLES)
    assert len(coded.data) < 0.95 * len(without.data)
    assert len(layer(white(25), LAMBDAS[5])[0].classes) == 1


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (8, 8), (23, 5), (40, 40), (300, 9)])
def test_the_search_foresees_whether_a_layer_pays(size: tuple[int, int]):
    """The bytes decide in the end; but where the search says yes they should be close to it."""
    random = np.random.default_rng(size[0])
    for residual in (random.normal(0, 15, (*size, 3)), random.choice([-255, 255], (*size, 1)), np.full((*size, 3), 90)):
        residual = np.rint(residual).astype(np.int16)
        for rd_lambda in LAMBDAS[::3]:
            params = choose(residual, size[0] * size[1], rd_lambda, TABLES)
            if params is not None:
                coded = encode_slice(residual, params, rd_lambda, TABLES)
                saved_bits = rd_lambda / residual.shape[2] * (coded.energy - coded.error)
                assert 8 * (len(coded.data) + len(params.to_bytes())) < saved_bits + 64


def test_a_large_error_is_worth_a_layer_even_on_one_pixel():
    assert layer(np.full((1, 1, 3), 200, np.int16), LAMBDAS[7])[0]


def test_nothing_is_coded_of_nothing():
    assert layer(np.zeros((64, 64, 3), np.int16), LAMBDAS[7]) == (None, None)
    assert layer(white(3), LAMBDAS[0]) == (None, None)


@given(st.integers(1, 700), st.integers(1, 700))
@FEW
def test_samples_are_whole_blocks_of_the_picture(height: int, width: int):
    residual = np.arange(height * width, dtype=np.int32).reshape(height, width, 1)
    chosen = sample(residual)
    assert chosen.size <= max(residual.size, 1)
    if chosen.size < residual.size:
        assert chosen.shape[0] % 8 == 0 or chosen.shape[1] % 8 == 0
        assert chosen.size > residual.size / 8
    corners = chosen[: chosen.shape[0] // 8 * 8 : 8, : chosen.shape[1] // 8 * 8 : 8]
    assert (corners // width % 8 == 0).all()
    assert (corners % width % 8 == 0).all()


# Bits


def test_streams_are_as_long_as_their_entropy(monkeypatch: pytest.MonkeyPatch):
    ideal_bits = []

    class Counting(Encoder):
        def push(self, symbols: np.ndarray, rows: np.ndarray) -> None:
            ideal_bits.append(entropy_bits(symbols, rows, TABLES))
            super().push(symbols, rows)

    monkeypatch.setattr(slices, "Encoder", Counting)
    for residual in (white(25), detail()):
        ideal_bits.clear()
        _, coded = layer(residual, LAMBDAS[5])
        assert abs(8 * len(coded.data) - sum(ideal_bits)) < 0.01 * sum(ideal_bits) + 64


def test_magnitude_bits_are_those_of_the_symbols():
    bits = magnitude_bits(TABLES, 300)
    for row in (1, 60, ROWS - 1):
        for magnitude in (0, 1, 7, 299):
            symbol = np.array([-magnitude], np.int16)
            assert bits[row, magnitude] == pytest.approx(entropy_bits(symbol, np.array([row]), TABLES), rel=1e-5)
