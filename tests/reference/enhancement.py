"""The enhancement layer (docs/format.md, section 6): symbols and residual of every slice."""

from __future__ import annotations

import numpy as np

from reference.ans import Stream, Table, check_symbols, slices, unpack
from reference.container import ENHANCEMENT, ENHANCEMENT_TRELLIS, File
from reference.params import Params, read_params
from reference.trellis import NEXT, half_steps, with_odd_tables
from reference.weights import Weights

RATIOS = (64, 91, 128, 181, 256, 362, 512, 724, 1024, 1448, 2048)
Band = tuple[int, int, int]  # (channel, vertical frequency, horizontal frequency)


def decode_residual(file: File, weights: Weights) -> tuple[np.ndarray, list[np.ndarray]]:
    """Residual float64 [height, width, channels], and of every slice the symbols [channels, 8, 8, by, bx]."""
    channels = 3 if file.rgb else 1
    residual = np.zeros((file.height, file.width, channels))
    tag = ENHANCEMENT_TRELLIS if ENHANCEMENT_TRELLIS in file.sections else ENHANCEMENT
    payload = file.section(tag)
    if not payload:
        return residual, []
    params, used = read_params(payload[1:], channels, tag == ENHANCEMENT_TRELLIS)
    cuts = list(slices(file.height, file.width, 1))
    crc, streams = unpack(payload[1 + used :], len(cuts))
    tables = all_tables(weights)
    thresholds = class_thresholds(params, tables) if params.has_contexts else {}
    coded = []
    for cut, data in zip(cuts, streams, strict=True):
        height, width, _ = residual[cut].shape
        coded.append(Slice(params, thresholds, tables, height, width).decode(data))
        residual[cut] = reconstruct(*coded[-1], params, height, width)
    check_symbols(crc, [symbols for symbols, _ in coded])
    return residual, [symbols for symbols, _ in coded]


def all_tables(weights: Weights) -> list[Table]:
    """`tables.enhancement`, and the odd rows after them."""
    return with_odd_tables(weights.tables("enhancement"), [finer(row) for row in range(201)])


def finer(row: int) -> int | None:
    """The row of which the odd one is made; None where there is none."""
    shape, scale = divmod(row - 1, 50)
    scale += 1
    if row == 0 or not (19, 18, 22, 26)[shape] <= scale <= 48:
        return None
    return 50 * shape + min(scale + 4, max(24 + scale // 2, scale + 2))


def steps(params: Params) -> list[list[Band]]:
    """The coded bands in the order of coding."""
    bands = sorted(band for band, scale in params.scales.items() if scale)
    if params.has_contexts:
        keys = {band: (band[0], band[1] + band[2]) for band in bands}
    else:
        keys = {band: (params.scales[band], 0) for band in bands}
    return [[band for band in bands if keys[band] == key] for key in sorted(set(keys.values()))]


class Slice:
    """One slice on its way to symbols."""

    def __init__(self, params: Params, thresholds: dict, tables: list[Table], height: int, width: int) -> None:
        self.params, self.thresholds, self.tables = params, thresholds, tables
        self.by, self.bx = -(-height // 8), -(-width // 8)
        self.rows_of_last, self.columns_of_last = height - 8 * (self.by - 1), width - 8 * (self.bx - 1)
        self.nothing = np.zeros((self.by, self.bx), np.int64)
        self.spreads: dict[Band, np.ndarray] = {}
        self.carries: dict[Band, np.ndarray] = {}
        self.states = np.zeros((self.by, self.bx), np.int64)

    def decode(self, data: bytes) -> tuple[np.ndarray, np.ndarray]:
        """Symbols int64 [channels, 8, 8, by, bx], and which of them are odd."""
        channels = 1 + max(channel for channel, _, _ in self.params.scales)
        symbols = np.zeros((channels, 8, 8, self.by, self.bx), np.int64)
        odd = np.zeros(symbols.shape, bool)
        stream = Stream(data)
        for step in steps(self.params):
            rows = np.stack([self.rows(band) for band in step])
            if self.params.trellis:
                for band, band_rows in zip(step, rows, strict=True):
                    odd[band] = self.odd(band_rows)
                    symbols[band] = stream.pop_step(band_rows + 201 * odd[band], self.tables)
                    self.states = NEXT[symbols[band] & 1, self.states]
            else:
                symbols[tuple(np.transpose(step))] = stream.pop_step(rows, self.tables)
            for band in step:
                self.remember(band, half_steps(symbols[band], odd[band]) if self.params.trellis else symbols[band])
        stream.close()
        return symbols, odd

    def odd(self, rows: np.ndarray) -> np.ndarray:
        """Bool: where the odd quantiser coded a coefficient of these rows."""
        return np.array([finer(int(row)) is not None for row in rows.ravel()]).reshape(rows.shape) & (
            self.states % 2 == 1
        )

    def exists(self, band: Band) -> np.ndarray:
        """Bool [by, bx]: where the block is large enough for the coefficient."""
        _, u, v = band
        there = np.ones((self.by, self.bx), bool)
        there[-1] &= u < self.rows_of_last
        there[:, -1] &= v < self.columns_of_last
        return there

    def rows(self, band: Band) -> np.ndarray:
        """Table row of every coefficient of a coded band."""
        kinds = self.nothing
        if self.params.has_contexts:
            channel, u, v = band
            context = self.own(band) + self.spreads.get((channel - 1, u, v), 0)
            kinds = kinds + sum(np.int64(context > threshold) for threshold in self.thresholds[band])
        scales = np.clip(self.params.scales[band] + np.array(self.params.offsets)[kinds], 1, 50)
        return np.where(self.exists(band), 50 * np.array(self.params.shapes)[kinds] + scales, 0)

    def own(self, band: Band) -> np.ndarray:
        """What the channel itself gives to a band's context."""
        channel, u, v = band
        return self.nothing + self.carries.get((channel, u - 1, v), 0) + self.carries.get((channel, u, v - 1), 0)

    def remember(self, band: Band, symbols: np.ndarray) -> None:
        """Keep what later contexts want to know of a band."""
        wide = np.pad(np.minimum(np.abs(symbols), 63), 1, mode="edge")
        weights = {(0, 0): 6, (0, 1): 2, (1, 0): 2, (1, 1): 1}
        places = [(i, j) for i in (-1, 0, 1) for j in (-1, 0, 1)]
        parts = [weights[abs(i), abs(j)] * wide[1 + i :, 1 + j :][: self.by, : self.bx] for i, j in places]
        self.spreads[band], own = np.sum(parts, axis=0), self.own(band)
        self.carries[band] = 2 * self.spreads[band] + (own >> 2) + (own >> 3)


def class_thresholds(params: Params, tables: list[Table]) -> dict[Band, list[int]]:
    """For each coded band, what its contexts are held against."""
    spreads, carries, thresholds = {}, {}, {}
    units, prior = (2, 12) if params.trellis else (1, 6)
    for band in [band for step in steps(params) for band in step]:
        channel, u, v = band
        table = tables[params.scales[band]]
        total = sum(abs(table.low + i) * count for i, count in enumerate(table.counts[:-1]))
        spreads[band] = 18 * min(units * (total >> 14), 63 * 1024)
        own = carries.get((channel, u - 1, v), 0) + carries.get((channel, u, v - 1), 0)
        carries[band] = 2 * spreads[band] + (own >> 2) + (own >> 3)
        expected = own + spreads.get((channel - 1, u, v), 0)
        thresholds[band] = [min(((expected + prior * 1024) * ratio >> 18) - prior, 32767) for ratio in RATIOS]
    return thresholds


def reconstruct(symbols: np.ndarray, odd: np.ndarray, params: Params, height: int, width: int) -> np.ndarray:
    """Residual float64 [height, width, channels] of one slice from its symbols."""
    size = np.abs(half_steps(symbols, odd)) / 2
    shift = np.where(size == 1, params.shifts[0], params.shifts[1])
    y = np.where(size == 0, 0, np.sign(symbols) * params.step * (size + (8 - shift) / 64))
    x = np.empty((height, width, len(symbols)))
    for i in range(0, height, 8):
        n = min(8, height - i)
        for j in range(0, width, 8):
            m = min(8, width - j)
            block = dct(n).T @ y[:, :n, :m, i // 8, j // 8] @ dct(m)
            x[i : i + n, j : j + m] = block.transpose(1, 2, 0)
    if len(symbols) == 1:
        return x
    thirds, halves, sixths = np.sqrt([1 / 3, 1 / 2, 1 / 6])
    to_rgb = np.array([[thirds, halves, sixths], [thirds, 0, -2 * sixths], [thirds, -halves, sixths]])
    return x @ to_rgb.T


def dct(n: int) -> np.ndarray:
    """The orthonormal matrix D_n."""
    k, i = np.mgrid[0:n, 0:n]
    return np.where(k == 0, np.sqrt(1 / n), np.sqrt(2 / n) * np.cos(np.pi * k * (2 * i + 1) / (2 * n)))
