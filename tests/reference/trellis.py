"""Two quantisers that take turns (docs/format.md, section 6.7)."""

from __future__ import annotations

import numpy as np

from reference.ans import Table

NEXT = np.array([[0, 5, 1, 6, 2, 4, 3, 7], [2, 7, 3, 4, 0, 6, 1, 5]])
"""[parity of the symbol, state]: the state after it."""

FIRST = (19, 18, 22, 26)


def has_odd(row: int) -> bool:
    """Whether a row of `tables.enhancement` has an odd quantiser."""
    shape, scale = divmod(int(row) - 1, 50)
    return row > 0 and FIRST[shape] <= scale + 1 <= 48


def odd_table(row: int, tables: list[Table]) -> Table:
    """Row 201 + row."""
    if not has_odd(row):
        return Table(0, [])
    shape, scale = (row - 1) // 50, (row - 1) % 50 + 1
    finer = tables[1 + 50 * shape + min(scale + 4, max(24 + scale // 2, scale + 2)) - 1]
    *counts, escape = finer.counts
    largest = -finer.low
    c = {k - largest: count for k, count in enumerate(counts)}
    h = {
        k: max(1, c.get(2 * k - 1, 0) + (c.get(2 * k - 2, 0) + c.get(2 * k, 0)) // 2)
        for k in range(2, largest // 2 + 2)
    }
    rest = 2**24 - escape - 2 * sum(h.values())
    h[1] = (rest - 4096) // 2
    positive = [h[k] for k in sorted(h)]
    return Table(-len(h), [*reversed(positive), rest - 2 * h[1], *positive, escape])
