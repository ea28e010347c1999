"""What an entropy coder that loses nothing would need: the measure of ours."""

from __future__ import annotations

import numpy as np

from ncodec.entropy import ESCAPE_BITS, Tables


def entropy_bits(symbols: np.ndarray, rows: np.ndarray, tables: Tables) -> float:
    """Ideal length of a step in bits under its tables, escapes included: what the stream should cost."""
    coded = tables.is_coded[rows]
    symbols, rows = symbols[coded].astype(np.int64), rows[coded]
    escape = tables.size[rows] - 1
    index = symbols - tables.low[rows]
    outside = (index < 0) | (index >= escape)
    counts = tables.counts[tables.starts[rows] + np.where(outside, escape, index)]
    return float(np.sum(24 - np.log2(counts)) + ESCAPE_BITS * np.count_nonzero(outside))
