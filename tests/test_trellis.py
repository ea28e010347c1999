"""Dependent quantisation: states, odd tables, the search for the best path, and what it gains."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from ncodec.container import ENHANCEMENTS, Container, Header, Section, Tag, dump
from ncodec.enhancement import choose as choosing
from ncodec.enhancement.choose import choose, sample
from ncodec.enhancement.dependent import reconstruct
from ncodec.enhancement.params import ContextClass, Params
from ncodec.enhancement.slices import encode_slice
from ncodec.enhancement.tables import MEANS, ROWS, SCALES, build_tables
from ncodec.enhancement.trellis import FIRST_SCALES, LAST_SCALE, finer_row, finer_scale, with_odd
from ncodec.entropy import TOTAL
from ncodec.info import describe
from ncodec.trellis.states import NEXT_STATE, ZERO_COUNT, Walk, half_steps
from ncodec.trellis.viterbi import MAGNITUDES, STATES, Stretch, SymbolCosts, costs_ahead, search
from test_enhancement import LAMBDAS, detail, ideal_quantiser_bits, layer, white

TABLES = with_odd(build_tables())
COSTS = SymbolCosts.of(TABLES)
WITH_ODD = [row for row in range(ROWS) if finer_row(row)]


def test_every_state_is_reached_by_an_even_and_by_an_odd_symbol():
    for parity in (0, 1):
        assert sorted(NEXT_STATE[:, parity].tolist()) == list(range(STATES))


def test_odd_tables_are_those_of_the_odd_multiples():
    assert len(WITH_ODD) == sum(LAST_SCALE + 1 - first for first in FIRST_SCALES)
    for row in WITH_ODD:
        counts = TABLES.row_counts(ROWS + row)
        largest = -int(TABLES.low[ROWS + row])
        assert (counts[:-1] == counts[:-1][::-1]).all()
        assert counts[largest] - ZERO_COUNT in (0, 1)
        magnitudes = np.abs(np.arange(-largest, largest + 1))
        mean = MEANS[(row - 1) % SCALES]
        half_steps_mean = counts[:-1] @ np.maximum(2 * magnitudes - 1, 0) / TOTAL
        if 1 < mean < 4:  # below, dead zones are another matter; above, the finer scale is not quite twice as large
            assert half_steps_mean == pytest.approx(2 * mean, rel=0.12)
    assert not TABLES.size[ROWS:][[row not in WITH_ODD for row in range(ROWS)]].any()


def test_the_finer_scale_has_twice_the_mean():
    for scale in range(min(FIRST_SCALES), LAST_SCALE + 1):
        octaves = np.log2(MEANS[finer_scale(scale) - 1] / MEANS[scale - 1])
        assert octaves == pytest.approx(1, abs=0.26)


def path_cost(magnitudes: tuple[int, ...], sizes: np.ndarray, rows: np.ndarray, weight: float, state: int) -> float:
    """Of one block, by the rules of the format; infinite for what the search leaves out.

    That is what is neither 0 nor the nearest magnitude of its parity.
    """
    cost = 0.0
    for magnitude, size, row in zip(magnitudes, sizes.tolist(), rows.tolist(), strict=True):
        odd = state & (finer_row(row) > 0)
        error = size - (2 * magnitude - odd if magnitude else 0)
        cost += weight * error**2
        if magnitude and not (-2 <= error <= 2 or (magnitude <= 2 and error < 0)):
            cost = np.inf
        cost += float(COSTS.bits[(row + ROWS * odd) * MAGNITUDES + magnitude])
        state = int(NEXT_STATE[state, magnitude & 1])
    return cost


@pytest.mark.parametrize("seed", range(8))
def test_the_search_finds_the_best_of_all_paths(seed: int):
    rng = np.random.default_rng(seed)
    bands, blocks, weight = 5, 6, 2.4
    sizes = np.abs(rng.normal(0, 2.5, (bands, blocks))).clip(0, 7.9).astype(np.float32)
    rows = rng.choice([27, 30, 75, 80, 131, 10, 160], (bands, blocks)).astype(np.uint8)  # with odd ones and without
    states = rng.integers(0, STATES, blocks).astype(np.uint8)
    ahead = rng.uniform(0, 3, (STATES, blocks)).astype(np.float32)
    stretch = Stretch(sizes, rows, weight, COSTS)
    for costs in (None, ahead):
        found = search(stretch, states, costs)
        for block in range(blocks):

            def cost(path: tuple[int, ...], block: int = block, costs: np.ndarray | None = costs) -> float:
                state = int(states[block])
                total = path_cost(path, sizes[:, block], rows[:, block], weight, state)
                for magnitude in path:
                    state = int(NEXT_STATE[state, magnitude & 1])
                return total + (0 if costs is None else float(costs[state, block]))

            best = min(cost(path) for path in product(range(6), repeat=bands))
            assert cost(tuple(found[:, block].tolist())) == pytest.approx(best, abs=1e-3)


def test_costs_ahead_are_those_of_the_best_paths():
    rng = np.random.default_rng(3)
    sizes = np.abs(rng.normal(0, 3, (9, 4500))).astype(np.float32)  # more blocks than are searched at once
    rows = rng.choice([27, 80, 131, 10], sizes.shape).astype(np.uint8)
    stretch = Stretch(sizes, rows, 2.4, COSTS)
    ahead = costs_ahead(stretch, [4, 9])
    assert ahead.shape == (2, STATES, 4500)
    assert not ahead[1].any()
    rest = Stretch(sizes[4:], rows[4:], 2.4, COSTS)
    for state in (0, 3):
        found = search(rest, np.full(4500, state, np.uint8))
        for block in (0, 4096, 4499):
            best = path_cost(tuple(found[:, block].tolist()), sizes[4:, block], rows[4:, block], 2.4, state)
            assert ahead[0, state, block] == pytest.approx(best, rel=1e-5)


def test_a_walk_follows_the_parities_of_all_symbols():
    walk = Walk((1, 3), TABLES)
    states = [0, 0, 0]
    for symbols in ([1, 0, -32768], [-3, 2, 32767], [5, -1, 0], [0, 0, 0]):
        walk.advance(np.array([symbols], np.int16))
        states = [int(NEXT_STATE[state, symbol % 2]) for state, symbol in zip(states, symbols, strict=True)]
        assert walk.states.tolist() == [states]
        rows = np.array([[WITH_ODD[0], 1, WITH_ODD[-1]]], np.uint8)
        assert walk.odd(rows).tolist() == [[states[0] & 1, 0, states[2] & 1]]


def test_odd_rows_do_not_wrap_around():
    assert Walk((1,), TABLES).rows(np.array([200], np.uint8), np.array([1], np.uint8)).tolist() == [401]


def test_symbols_stand_for_half_steps():
    symbols = np.array([-32768, -2, -1, 0, 1, 2, 32767], np.int16)
    assert half_steps(symbols, np.zeros(7, np.uint8)).tolist() == [-65536, -4, -2, 0, 2, 4, 65534]
    assert half_steps(symbols, np.ones(7, np.uint8)).tolist() == [-65535, -3, -1, 0, 1, 3, 65533]
    params = Params(32, (24, 40), (ContextClass(0, 0),), bytes([9]) * 64, trellis=True)  # step 4, shifts -1/4 and -1/2
    assert reconstruct(symbols[2:], np.zeros(5, np.uint8), params).tolist() == [-3, 0, 3, 6, 131066]
    assert reconstruct(symbols[1:6], np.ones(5, np.uint8), params).tolist() == [-4, 0, 0, 0, 4]


@pytest.mark.parametrize(("sigma", "quality", "gain"), [(10, 8, 0.05), (25, 5, 0.05), (25, 8, 0.05), (50, 5, 0.05)])
def test_white_noise_costs_less_than_an_ideal_scalar_quantiser_would_spend(sigma: float, quality: int, gain: float):
    residual = white(sigma)
    params, coded = layer(residual, LAMBDAS[quality - 1])
    assert params.trellis
    ideal_bits = residual.size * ideal_quantiser_bits(coded.error / residual.size / residual.astype(float).var())
    assert 8 * (len(coded.data) + len(params.to_bytes())) < (1 - gain) * ideal_bits


@pytest.mark.parametrize("contexts", [False, True])
def test_a_trellis_lowers_the_cost_of_what_a_scalar_quantiser_codes(contexts: bool, monkeypatch: pytest.MonkeyPatch):
    ramp = np.geomspace(0.1, 2.5, 256)[:, None] if contexts else 1.0  # noise of much light and of little
    residual = np.rint(white(25) * np.broadcast_to(ramp, (256, 256))[:, :, None]).astype(np.int16)
    rd_lambda = LAMBDAS[6]

    def cost(params: Params) -> float:
        coded = encode_slice(residual, params, rd_lambda, TABLES)
        return rd_lambda / 3 * coded.error + 8 * len(coded.data)

    best = choose(sample(residual), 256 * 256, rd_lambda, TABLES)
    assert best.trellis
    assert (len(best.classes) > 1) == contexts
    monkeypatch.setattr(choosing, "_with_trellis", lambda *others: [])
    scalar = choose(sample(residual), 256 * 256, rd_lambda, TABLES)
    assert not scalar.trellis
    assert cost(best) < cost(scalar) - 0.04 * 8 * len(encode_slice(residual, scalar, rd_lambda, TABLES).data)


def test_detail_at_a_low_rate_is_left_to_the_scalar_quantiser():
    params, _ = layer(detail(), LAMBDAS[4])
    assert not params.trellis


def boxed(*sections: Section) -> Container:
    header = Header(8, 8, True, False, 3, bytes(8), 0.0, 0.0)
    return Container(header, (Section.of(Tag.HYPERPRIOR, b"h"), Section.of(Tag.LATENTS, b"l"), *sections))


def test_a_file_has_one_enhancement_layer_of_either_kind():
    scalar, trellis = Section.of(Tag.ENHANCEMENT, b"\x80a"), Section.of(Tag.ENHANCEMENT_TRELLIS, b"\x80b")
    for section in (scalar, trellis):
        box = boxed(section)
        info = describe(box, len(dump(box)))
        assert box.enhancement == section.tag
        assert (info.has_enhancement, info.enhancement_bytes) == (True, 2)
        assert info.noise_kept == pytest.approx(128 / 255)
        assert box.without(*ENHANCEMENTS) == boxed()
        damaged = boxed(replace(section, crc=1))
        assert describe(damaged, 99).damaged == ("enhancement",)
        assert describe(damaged, 99).noise_kept is None
    assert boxed().enhancement is None
    with pytest.raises(ValueError, match="two enhancement sections"):
        dump(boxed(scalar, trellis))
