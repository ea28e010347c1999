"""Latents by a trellis: what is coded comes back, in which order, and what it wins."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ideal import entropy_bits
from ncodec import base
from ncodec.container import Tag
from ncodec.entropy import TOTAL, Decoder, Encoder
from ncodec.nets.model import Model
from ncodec.nets.prior import SYMBOL_MAX
from ncodec.paths import FIRST_ROW, PATH, TO_FINER, WEIGHT, LatentPaths, with_odd
from ncodec.train.tables import LATENT_ROWS, latent_scales, latent_tables
from ncodec.trellis.states import NEXT_STATE, ZERO_COUNT, odd_rows
from ncodec.trellis.viterbi import SymbolCosts
from pictures import scene

TABLES = with_odd(latent_tables())
COSTS = SymbolCosts.of(TABLES)
SCALES = latent_scales()


def latents(count: int, seed: int, spread: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """Values (less their means) and rows of Gaussian latents."""
    rng = np.random.default_rng(seed)
    rows = rng.choice(LATENT_ROWS, count, p=np.linspace(2, 0, LATENT_ROWS) / LATENT_ROWS).astype(np.uint8)
    return (spread * rng.normal(0, SCALES[rows])).astype(np.float32), rows


def test_the_finer_row_has_twice_the_standard_deviation():
    assert SCALES[FIRST_ROW + TO_FINER :] / SCALES[FIRST_ROW:-TO_FINER] == pytest.approx(2.0, rel=0.02)
    has_odd = np.flatnonzero(odd_rows(TABLES))
    assert has_odd.tolist() == list(range(FIRST_ROW, LATENT_ROWS - TO_FINER))


@given(st.integers(0, 3000), st.integers(0, 99), st.sampled_from([0.1, 1.0, 30.0]))
@settings(max_examples=40, deadline=None)
def test_what_is_pushed_is_popped(count: int, seed: int, spread: float):
    values, rows = latents(count, seed, spread)
    paths = LatentPaths(rows, TABLES)
    symbols = paths.quantise(values, COSTS)
    encoder = Encoder(TABLES)
    halves = paths.push(encoder, symbols)
    decoder = Decoder(encoder.finish(), TABLES)
    popped, popped_halves = LatentPaths(rows, TABLES).pop(decoder)
    decoder.close()
    assert popped.dtype == np.int16
    assert (popped == symbols).all()
    assert (popped_halves == halves).all()
    assert (symbols[rows == 0] == 0).all()
    assert (np.abs(halves / 2 - values)[rows >= FIRST_ROW] <= 2).all()
    others = ~odd_rows(TABLES).take(rows) & (rows > 0)
    assert (halves[others] == 2 * np.rint(values[others])).all()


def test_the_largest_latents_fit_their_symbols():
    """The odd quantiser's magnitude is one more than half of the half steps: it must not leave int16."""
    rows = np.full(300, FIRST_ROW, np.uint8)
    values = np.resize(np.array([SYMBOL_MAX, -SYMBOL_MAX, SYMBOL_MAX - 1], np.float32), len(rows))
    paths = LatentPaths(rows, TABLES)
    encoder = Encoder(TABLES)
    halves = paths.push(encoder, paths.quantise(values, COSTS))
    assert (np.abs(halves - 2 * values) <= 6).all()
    decoder = Decoder(encoder.finish(), TABLES)
    assert (paths.pop(decoder)[1] == halves).all()


def test_paths_go_through_the_rows_in_order():
    """By the format's words, one latent at a time."""
    values, rows = latents(2000, 5)
    paths = LatentPaths(rows, TABLES)
    symbols = paths.quantise(values, COSTS)
    halves = paths.push(Encoder(TABLES), symbols)
    dealt = sorted((int(row), i) for i, row in enumerate(rows) if FIRST_ROW <= row < LATENT_ROWS - TO_FINER)
    states = [0] * -(-len(dealt) // PATH)
    odd = 0
    for number, (_, i) in enumerate(dealt):
        state = states[number % len(states)]
        size = abs(int(symbols[i]))
        assert abs(int(halves[i])) == max(0, 2 * size - state % 2)
        odd += state % 2
        states[number % len(states)] = int(NEXT_STATE[state, size % 2])
    assert len(states) > 3
    assert 0.4 < odd / len(dealt) < 0.6


def test_a_trellis_spends_less_for_the_same_error():
    """On what the tables are made for: Gaussian latents, ideally coded."""
    rng = np.random.default_rng(1)
    rows = rng.integers(FIRST_ROW, 30, 40_000).astype(np.uint8)
    values = rng.normal(0, SCALES[rows]).astype(np.float32)
    plain = np.rint(values).astype(np.int16)
    paths = LatentPaths(rows, TABLES)
    encoder = Encoder(TABLES)
    halves = paths.push(encoder, paths.quantise(values, COSTS))
    plain_bits = entropy_bits(plain, rows, TABLES)
    trellis_bits = 8 * len(encoder.finish())
    plain_error, trellis_error = (float(np.square(values - points).mean()) for points in (plain, halves / 2))
    # At high rates six decibels are a bit; in the middle a little less is.
    worth = 0.5 * np.log2(plain_error / trellis_error) * len(values)
    assert trellis_bits - worth < plain_bits * 0.95


def test_zeros_cost_no_more_than_the_tables_say():
    for row in range(FIRST_ROW, LATENT_ROWS - TO_FINER):
        counts = TABLES.row_counts(LATENT_ROWS + row)
        assert counts.sum(dtype=np.int64) == TOTAL
        assert counts[-int(TABLES.low[LATENT_ROWS + row])] - ZERO_COUNT in (0, 1)


def test_a_trellis_lowers_what_real_latents_cost(model: Model):
    picture = torch.from_numpy(scene(192, 256, sigma=10))
    y = model.transforms.analyse(picture, 6)
    trellis = base.encode_base(model, picture, 6)
    assert trellis.latents.tag == Tag.LATENTS_TRELLIS
    plain = y.clone()
    steps = base.coded_symbols(model, plain, base.hyper_latents(model, y))
    tables = model.latent_tables
    bits = [
        sum(entropy_bits(np.where(tables.is_coded[rows], symbols, 0), rows, tables) for symbols, rows in steps),
        8 * len(trellis.latents.payload),
    ]
    errors = [float((y_hat - y).square().sum()) for y_hat in (plain, trellis.y_hat)]
    costs = [size + 4 * WEIGHT * error for size, error in zip(bits, errors, strict=True)]
    assert costs[1] < costs[0] - 0.04 * bits[0]
