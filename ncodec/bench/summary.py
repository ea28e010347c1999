"""From rows to what tables and plots show: means over the pictures that all methods share, and curves of them."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from statistics import fmean

from ncodec.bench.curves import Point, curve_of, value_at
from ncodec.bench.row import Figures, Row

FIXED_RATES_BPP = (0.25, 0.5, 0.75, 1.0)
COMPARABLE_RATE_BPP = 0.5
AVERAGED = tuple(figure.name for figure in fields(Figures))
Picture = tuple[str, str]
"""A picture's name and the digest of its pixels."""


@dataclass(frozen=True)
class Mean(Figures):
    """One method at one setting: every figure computed for each picture, then averaged over the pictures.

    A figure that one of the pictures lacks is None. Times are seconds per picture, each the median of its repeats.
    """

    method: str
    setting: str
    pictures: int


@dataclass(frozen=True, slots=True)
class Summary:
    """What one set of rows says.

    Attributes:
        means: by method in the order of the rows, then by rate.
        pictures: names of the pictures that every method and setting has: the ones averaged over.
        left_out: names of the other pictures (an interrupted run).
        each: the same of each of the pictures alone, for a mean hides them; none of one picture.
    """

    means: tuple[Mean, ...]
    pictures: tuple[str, ...]
    left_out: tuple[str, ...]
    each: tuple[Summary, ...] = ()

    @property
    def methods(self) -> tuple[str, ...]:
        """Names, each once."""
        return tuple(dict.fromkeys(mean.method for mean in self.means))

    def of(self, method: str) -> tuple[Mean, ...]:
        """The settings of a method, by rate; none if it is not there."""
        return tuple(mean for mean in self.means if mean.method == method)

    def curve(self, method: str, figure: str = "psnr_clean_db") -> tuple[Point, ...]:
        """(rate, a figure: PSNR against the clean picture) of a method's settings; empty without compression."""
        points = ((mean.rate_bpp, getattr(mean, figure)) for mean in self.of(method))
        return curve_of((rate, value) for rate, value in points if rate is not None and value is not None)

    def nearest(self, method: str, rate_bpp: float = COMPARABLE_RATE_BPP) -> Mean | None:
        """The setting whose rate is nearest by ratio; a method without compression has one setting at most."""
        of_method = self.of(method)
        rated = [mean for mean in of_method if mean.rate_bpp]
        if rated:
            return min(rated, key=lambda mean: abs(math.log((mean.rate_bpp or 0) / rate_bpp)))
        return of_method[0] if of_method else None

    def at(self, method: str, rate_bpp: float, figure: str = "psnr_clean_db") -> float | None:
        """A figure (PSNR in dB against the clean picture) at a rate, interpolated; None outside the method's rates."""
        return value_at(self.curve(method, figure), rate_bpp)


def summarise(rows: Iterable[Row]) -> Summary:
    """Means over the pictures that all methods and settings share.

    Args:
        rows: of one circumstance. Of two rows with the same picture, method and setting the later one counts.
    """
    having: dict[tuple[str, str], dict[Picture, Row]] = defaultdict(dict)
    for row in rows:
        having[row.method, row.setting][row.picture, row.pixels] = row
    everything = {picture for of in having.values() for picture in of}
    shared = sorted(everything.intersection(*having.values()))
    each = [Summary(_means(having, [picture]), _names([picture]), ()) for picture in shared] if len(shared) > 1 else []
    left_out = _names(sorted(everything.difference(shared)))
    return Summary(_means(having, shared) if shared else (), _names(shared), left_out, tuple(each))


def _means(having: Mapping[tuple[str, str], Mapping[Picture, Row]], pictures: Sequence[Picture]) -> tuple[Mean, ...]:
    """By method in the order of the rows, then by rate."""
    order = {method: place for place, method in enumerate(dict.fromkeys(method for method, _ in having))}
    means = [_mean(*key, [of[picture] for picture in pictures]) for key, of in having.items()]
    return tuple(sorted(means, key=lambda mean: (order[mean.method], mean.rate_bpp or 0)))


def _names(pictures: Iterable[Picture]) -> tuple[str, ...]:
    return tuple(name for name, _ in pictures)


def _mean(method: str, setting: str, rows: Sequence[Row]) -> Mean:
    figures = {name: _average([getattr(row, name) for row in rows]) for name in AVERAGED}
    return Mean(method, setting, len(rows), **figures)


def _average(values: Sequence[float | None]) -> float | None:
    there = [value for value in values if value is not None]
    return fmean(there) if there and len(there) == len(values) else None
