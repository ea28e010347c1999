"""The entropy coder: constriction does what docs/format.md says, bit for bit, and real bytes fit the estimate."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ideal import entropy_bits
from ncodec.entropy import TOTAL, Decoder, Encoder, Tables, symbols_crc
from ncodec.errors import FormatError
from reference.ans import Stream, Table


def make_tables(seed: int = 0, rows: int = 12) -> Tables:
    """Row 0 is not coded; the others are skewed tables of 3 ... 900 entries around 0."""
    rng = np.random.default_rng(seed)
    sizes = [0, *rng.integers(3, 900, rows - 1)]
    counts = []
    for size in sizes[1:]:
        row = 1 + np.floor(rng.dirichlet(np.full(size, 0.05)) * (TOTAL - size)).astype(np.int64)
        row[np.argmax(row)] += TOTAL - row.sum()
        counts.append(row)
    low = np.array([0, *(-(size // 2) for size in sizes[1:])], np.int16)
    return Tables(low, np.array(sizes, np.int32), np.concatenate(counts).astype(np.int32))


TABLES = make_tables()


def draw(rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
    rows = rng.integers(0, len(TABLES.size), n).astype(np.uint8)
    symbols = np.round(rng.standard_t(1.5, n) * 3).clip(-32768, 32767).astype(np.int16)
    symbols[~TABLES.is_coded[rows]] = 0
    return symbols, rows


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("count", [12, 300])
def test_rows_are_coded_where_their_table_is_not_empty(dtype: type, count: int, rng: np.random.Generator):
    tables = make_tables(rows=count)
    rows = rng.integers(0, min(count, np.iinfo(dtype).max + 1), 1000).astype(dtype)
    assert np.array_equal(tables.codes(rows), rows > 0)


def test_constriction_reproduces_the_integer_counts_exactly():
    """`Categorical(counts - 1, perfect=False)`: every symbol coded by the written rule gives the same words."""
    for row in range(1, len(TABLES.size)):
        n = int(TABLES.size[row]) - 1
        symbols = (np.arange(n) + int(TABLES.low[row])).astype(np.int16)  # every symbol of the row, the rarest included
        encoder = Encoder(TABLES)
        encoder.push(symbols, np.full(n, row, np.uint8))
        stream = Stream(encoder.finish())
        table = Table(int(TABLES.low[row]), TABLES.row_counts(row).tolist())
        assert [stream.pop(table) for _ in range(n)] == list(range(n))
        stream.close()


@given(st.integers(0, 2**32), st.lists(st.integers(0, 200), min_size=1, max_size=4))
@settings(max_examples=40, deadline=None)
def test_steps_come_back_as_they_were_pushed(seed: int, lengths: list[int]):
    rng = np.random.default_rng(seed)
    steps = [draw(rng, n) for n in lengths]
    encoder = Encoder(TABLES)
    for symbols, rows in steps:
        encoder.push(symbols, rows)
    decoder = Decoder(encoder.finish(), TABLES)
    for symbols, rows in steps:
        assert np.array_equal(decoder.pop(rows), symbols)
    decoder.close()


def test_real_bytes_are_within_one_percent_and_64_bits_of_the_estimate(rng: np.random.Generator):
    for n in (10, 1000, 100_000):
        symbols, rows = draw(rng, n)
        encoder = Encoder(TABLES)
        encoder.push(symbols, rows)
        bits = entropy_bits(symbols, rows, TABLES)
        assert bits * 0.999 - 1 <= 8 * len(encoder.finish()) <= bits * 1.01 + 64


def test_extreme_symbols_escape(rng: np.random.Generator):
    symbols = np.array([-32768, 32767, 0, 1, -1, 12345], np.int16)
    rows = np.ones(6, np.uint8)
    encoder = Encoder(TABLES)
    encoder.push(symbols, rows)
    assert np.array_equal(Decoder(encoder.finish(), TABLES).pop(rows), symbols)


def test_a_symbol_in_a_row_that_is_not_coded_is_refused():
    with pytest.raises(ValueError, match="not coded"):
        Encoder(TABLES).push(np.array([1], np.int16), np.array([0], np.uint8))


def test_leftovers_and_zero_ends_are_refused(rng: np.random.Generator):
    symbols, rows = draw(rng, 1000)
    encoder = Encoder(TABLES)
    encoder.push(symbols, rows)
    data = encoder.finish()
    with pytest.raises(FormatError, match="zero byte"):
        Decoder(data + b"\0", TABLES)
    decoder = Decoder(data, TABLES)
    decoder.pop(rows[:900])
    with pytest.raises(FormatError, match="more than its symbols"):
        decoder.close()


def test_an_empty_step_costs_nothing():
    encoder = Encoder(TABLES)
    encoder.push(np.zeros(50, np.int16), np.zeros(50, np.uint8))
    assert encoder.finish() == b""
    decoder = Decoder(b"", TABLES)
    assert not decoder.pop(np.zeros(50, np.uint8)).any()
    decoder.close()


@pytest.mark.parametrize(
    ("low", "size", "counts", "what"),
    [
        ([0], [2], [TOTAL - 2, 1], "sum"),
        ([0], [2], [TOTAL, 0], "without frequency"),
        ([0], [1], [TOTAL], "do not fit"),
        ([0], [3], [TOTAL - 1, 1], "do not fit"),
        ([32767], [3], [1, 1, TOTAL - 2], "16-bit"),
        ([], [], [], "one low"),
    ],
)
def test_bad_tables_are_refused(low: list[int], size: list[int], counts: list[int], what: str):
    with pytest.raises(ValueError, match=what):
        Tables(np.array(low, np.int16), np.array(size, np.int32), np.array(counts, np.int32))


def test_checksum_is_of_little_endian_bytes_and_goes_on():
    symbols = np.array([1, -2, 300], ">i2")
    assert (
        symbols_crc(symbols) == symbols_crc(symbols.astype("<i2")) == symbols_crc(symbols[1:], symbols_crc(symbols[:1]))
    )
