"""The encoder's choice of the bands' scales, among costs: what describes them counts, too."""

from __future__ import annotations

import numpy as np

from ncodec.enhancement.params import FIRST_SCALE, ZIGZAG, change_bits
from ncodec.enhancement.tables import SCALES

_CHANCE_BITS = 10.0  # that a change of scale, or of what is coded, gains on a sample by mere chance


def smooth_scales(costs: np.ndarray, share: float) -> np.ndarray:
    """Scales of least cost, that of describing them included: dynamic programming along the scan.

    Args:
        costs: float64 [channels, 64, SCALES + 1], of coding each band with each scale.
        share: how much of a described bit to count.

    Returns:
        uint8 [channels, 64].
    """
    # A sample flatters whatever is fitted to it: a change must earn more than chance would give it.
    describing = share * change_bits() + (1 - share) * _CHANCE_BITS * (1 - np.eye(SCALES + 1))
    scales = np.zeros(costs.shape[:2], np.uint8)
    previous = FIRST_SCALE
    for channel, channel_costs in enumerate(costs[:, ZIGZAG]):
        total = channel_costs[0] + describing[previous]
        best_before = []
        for band_costs in channel_costs[1:]:
            arriving = total[:, None] + describing
            source = arriving.argmin(0)
            best_before.append(source)
            total = arriving[source, np.arange(len(source))] + band_costs
        path = [int(total.argmin())]
        for source in reversed(best_before):
            path.append(int(source[path[-1]]))
        scales[channel, ZIGZAG] = path[::-1]
        previous = path[-1]
    return scales
