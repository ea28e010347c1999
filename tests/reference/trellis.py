"""Two quantisers that take turns (docs/format.md, section 2.1)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from reference.ans import Table

NEXT = np.array([[0, 5, 1, 6, 2, 4, 3, 7], [2, 7, 3, 4, 0, 6, 1, 5]])
"""[parity of the symbol, state]: the state after it."""


def half_steps(symbols: np.ndarray, odd: np.ndarray) -> np.ndarray:
    """What symbols stand for."""
    return 2 * symbols - np.where(odd, np.sign(symbols), 0)


def with_odd_tables(tables: list[Table], finer: Sequence[int | None]) -> list[Table]:
    """All R rows, and the R odd ones after them; those without a finer row are not coded."""
    return tables + [Table(0, []) if row is None else odd_table(tables[row]) for row in finer]


def odd_table(finer: Table) -> Table:
    """The odd row that is made of a finer one."""
    *counts, escape = finer.counts
    largest = finer.low + len(counts) - 1
    c = {finer.low + i: count for i, count in enumerate(counts)}
    h = {
        k: max(1, c.get(2 * k - 1, 0) + (c.get(2 * k - 2, 0) + c.get(2 * k, 0)) // 2)
        for k in range(2, largest // 2 + 2)
    }
    rest = 2**24 - escape - 2 * sum(h.values())
    h[1] = (rest - 4096) // 2
    positive = [h[k] for k in sorted(h)]
    return Table(-len(h), [*reversed(positive), rest - 2 * h[1], *positive, escape])
