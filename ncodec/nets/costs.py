"""What symbols cost under the integer tables, in bits, as tensors: for searching among them, never for coding."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from ncodec.entropy import Tables, symbol_bits


@dataclass(frozen=True)
class Costs:
    """Bits of symbols -reach ... reach of every table row, those beyond as the last ones.

    Attributes:
        bits: float32 [rows, 2 * reach + 1].
        rise: float32 of the same shape, what the next larger symbol costs more.
        is_coded: bool [rows].
    """

    bits: Tensor
    rise: Tensor
    is_coded: Tensor

    @classmethod
    def of(cls, tables: Tables, device: torch.device) -> Costs:
        reach = int((np.abs(tables.low.astype(np.int64)) + tables.size).max())  # beyond every table
        bits = torch.from_numpy(symbol_bits(tables, reach)).to(device)
        rise = F.pad(bits.diff(dim=1), (0, 1))  # beyond it all cost the same
        return cls(bits, rise, torch.from_numpy(tables.is_coded).to(device))

    def of_symbols(self, rows: Tensor, symbols: Tensor) -> Tensor:
        """Bits of whole numbers (float32), of one shape with uint8 `rows`."""
        return self._look_up(self.bits, rows, symbols)

    def rise_at(self, rows: Tensor, symbols: Tensor) -> Tensor:
        """Bits that the next larger symbols cost more."""
        return self._look_up(self.rise, rows, symbols)

    @staticmethod
    def _look_up(table: Tensor, rows: Tensor, symbols: Tensor) -> Tensor:
        width = table.shape[1]
        index = symbols.clamp(-(width // 2), width // 2).to(torch.int32).add_(width // 2)
        return table.view(-1).index_select(0, index.add_(rows, alpha=width).view(-1)).view(symbols.shape)
