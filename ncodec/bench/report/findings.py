"""What is found out about ncodec and its opponents: findings, and who is compared."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ncodec.bench.methods.method import NCODEC
from ncodec.bench.report.naming import NOISY, OURS, PLAIN, REFINED, info_of
from ncodec.bench.summary import Mean, Summary

LEAST_PERCENT = 0.5
"""Smaller differences are a draw."""
LEAST_DB = 0.02
LEAST_SHARE = 0.002
LEAST_TIMES = 1.05
MANY = 4
"""So many items of a finding come first."""
LAST = 1000.0
"""On top of the score of what says little: it stands behind all else."""


@dataclass(frozen=True, slots=True)
class Item:
    """A method (or what it is about), and the figure."""

    what: str
    figure: str


@dataclass(frozen=True, slots=True)
class Finding:
    """One aspect, and the methods by how much they matter there."""

    title: str
    items: tuple[Item, ...]
    shown: int = MANY

    @property
    def first(self) -> tuple[Item, ...]:
        """The most telling ones."""
        return self.items[: self.shown] if len(self.items) > self.shown + 1 else self.items

    @property
    def rest(self) -> tuple[Item, ...]:
        """The others."""
        return self.items[len(self.first) :]


Found = tuple[list[Finding], list[Finding]]
Scored = list[tuple[float, Item]]
Aspect = Callable[[Summary], Found]


def others(summary: Summary) -> list[str]:
    """What ncodec's denoised decode is compared with: all that is meant to be better than the noisy picture.

    Not its own refined files, which are the same decode after a longer encode.
    """
    return [method for method in summary.methods if method not in (OURS, REFINED, PLAIN, NOISY)]


def opponents(summary: Summary) -> list[str]:
    """The same without ncodec's own other decodes: they can show a loss, but beating them is no win."""
    return [method for method in others(summary) if info_of(method).family != NCODEC]


def rivals(summary: Summary) -> list[Mean]:
    """What each opponent that codes without ncodec, or not at all, reaches at best; the best first."""
    methods = [method for method in opponents(summary) if not info_of(method).is_coded_by_ncodec]
    return sorted(filter(None, (best_of(summary, [method]) for method in methods)), key=psnr_of, reverse=True)


def best_of(summary: Summary, methods: Sequence[str]) -> Mean | None:
    return max((m for name in methods for m in summary.of(name) if m.psnr_clean_db), key=psnr_of, default=None)


def psnr_of(mean: Mean) -> float:
    return mean.psnr_clean_db or 0.0


def finding(title: str, scored: Scored, shown: int = MANY) -> list[Finding]:
    """None without items; the lowest score first."""
    items = tuple(item for _, item in sorted(scored, key=lambda pair: pair[0]))
    return [Finding(title, items, shown)] if items else []
