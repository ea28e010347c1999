"""Coefficients <-> symbols by dependent quantisation: the coders of steps under a trellis."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ncodec.enhancement.contexts import Step, code_planes, steps
from ncodec.enhancement.params import Params
from ncodec.enhancement.quantiser import Quantiser
from ncodec.enhancement.rows import SliceRows
from ncodec.entropy import Decoder, Tables
from ncodec.trellis.states import Walk, half_steps
from ncodec.trellis.viterbi import Stretch, SymbolCosts, costs_ahead, search

Sink = Callable[[np.ndarray, np.ndarray], None]
"""Gets the int16 symbols and the uint16 rows of a band, both flat, in coding order."""


class DependentDecoder:
    """Reads the steps of a slice.

    Attributes:
        odd: uint8 [C, 8, 8, by, bx], 1 where a symbol is of the odd quantiser.
    """

    def __init__(self, decoder: Decoder, rows: SliceRows, shape: tuple[int, ...], tables: Tables) -> None:
        self._decoder, self._rows = decoder, rows
        self._walk = Walk(shape[3:], tables)
        self.odd = np.zeros(shape, np.uint8)

    def code(self, step: Step, classes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """See `contexts.StepCoder`."""
        rows = self._rows(step, classes)
        symbols, odd = np.empty(rows.shape, np.int16), np.empty(rows.shape, np.uint8)
        for i, band_rows in enumerate(rows):
            odd[i] = self._walk.odd(band_rows)
            symbols[i] = self._decoder.pop(self._walk.rows(band_rows, odd[i]).reshape(-1)).reshape(band_rows.shape)
            self._walk.advance(symbols[i])
        self.odd[step.bands] = odd
        return symbols, half_steps(symbols, odd)


class DependentQuantiser:
    """Quantises the steps of a slice along the best paths.

    Without contexts all rows are known, and one search finds whole paths. With contexts, rows depend on symbols: what
    every state would cost from the next step on is reckoned from the rows of a scalar quantisation, and each step is
    searched when its own rows are known.

    Attributes:
        odd: uint8 [C, 8, 8, by, bx], 1 where a symbol is of the odd quantiser.
        sizes: float32 of that shape, the coefficients without sign, in half steps.
    """

    def __init__(
        self, planes: np.ndarray, params: Params, rows: SliceRows, sample_lambda: float, tables: Tables, sink: Sink
    ) -> None:
        """Look ahead.

        Args:
            planes: float32 [C, 8, 8, by, bx].
            params: of the picture.
            rows: of the slice.
            sample_lambda: lambda per sample.
            tables: with odd rows.
            sink: gets what is to be coded.
        """
        half = params.step / 2
        self._planes, self._rows, self._sink = planes, rows, sink
        self._weight, self._costs = sample_lambda * half**2, SymbolCosts.of(tables)
        self._walk = Walk(planes.shape[3:], tables)
        self.sizes = np.abs(planes) * np.float32(1 / half)
        self.odd = np.zeros(planes.shape, np.uint8)
        order = [step.bands for step in steps(params)]
        channel, u, v = (np.concatenate([bands[axis] for bands in order]) for axis in range(3))
        bands = (channel, u, v)
        ends = np.cumsum([len(step[0]) for step in order]).tolist()
        self._ahead = None
        if len(params.classes) > 1:
            expected = self._expected_rows(params, sample_lambda, tables)
            self._ahead = iter(costs_ahead(self._stretch(bands, expected[bands]), ends))
        else:
            classes = np.zeros((len(bands[0]), *planes.shape[3:]), np.uint8)
            stretch = self._stretch(bands, rows(Step(bands), classes))
            found = search(stretch, self._walk.states.reshape(-1))
            self._found = iter(np.split(found, ends[:-1]))

    def _stretch(self, bands: tuple[np.ndarray, ...], rows: np.ndarray) -> Stretch:
        shape = (len(bands[0]), -1)
        return Stretch(self.sizes[bands].reshape(shape), rows.reshape(shape), self._weight, self._costs)

    def _expected_rows(self, params: Params, sample_lambda: float, tables: Tables) -> np.ndarray:
        """uint8 [C, 8, 8, by, bx]: those of a scalar quantisation with the same step."""
        expected = np.zeros(self._planes.shape, np.uint8)
        quantiser = Quantiser.of(params, sample_lambda, tables)

        def code(step: Step, classes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            rows = expected[step.bands] = self._rows(step, classes)
            symbols = quantiser.quantise(self._planes[step.bands], rows)
            return symbols, 2 * symbols.astype(np.int32)

        code_planes(code, self._planes.shape, params, tables)
        return expected

    def _magnitudes(self, step: Step, rows: np.ndarray) -> np.ndarray:
        """int16 [n, by, bx]."""
        if self._ahead is None:
            found = next(self._found)
        else:
            found = search(self._stretch(step.bands, rows), self._walk.states.reshape(-1), next(self._ahead))
        return found.reshape(rows.shape)

    def code(self, step: Step, classes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """See `contexts.StepCoder`."""
        rows = self._rows(step, classes)
        symbols = np.copysign(self._magnitudes(step, rows), self._planes[step.bands]).astype(np.int16)
        odd = np.empty(rows.shape, np.uint8)
        for i, band_rows in enumerate(rows):
            odd[i] = self._walk.odd(band_rows)
            self._sink(symbols[i].reshape(-1), self._walk.rows(band_rows, odd[i]).reshape(-1))
            self._walk.advance(symbols[i])
        self.odd[step.bands] = odd
        return symbols, half_steps(symbols, odd)


def reconstruct(symbols: np.ndarray, odd: np.ndarray, params: Params) -> np.ndarray:
    """float32 coefficients of int16 symbols and what quantised them, both of one shape."""
    halves = half_steps(symbols, odd)
    one, more = params.reconstruction
    values = np.where(np.abs(halves) == 2, np.float32(one - 1), np.float32(more)) * np.sign(halves).astype(np.float32)
    values += np.float32(0.5) * halves.astype(np.float32)
    values *= np.float32(params.step)
    return values
