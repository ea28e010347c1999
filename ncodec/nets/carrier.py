"""Which floating-point format carries the integers of the exact layers: float32 is twice as fast where it is exact."""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor

DENSE_BITS, SPARSE_BITS = 13, 23
"""Digits of the probe's numbers: more than bfloat16 (8), tf32 (11) or two bfloat16 numbers (16) hold."""


def float32_is_exact() -> bool:
    """Whether this machine's float32 matrix products are exact on integers below 2^24 at this moment.

    A program around ours may have asked torch for faster, coarser products (`torch.set_float32_matmul_precision`), in
    as many ways as there are libraries underneath: so one product is made and looked at. It takes some 30 microseconds.
    """
    left, right, expected = _probe()
    return torch.equal(torch.mm(left, right), expected)


@cache
def _probe() -> tuple[Tensor, Tensor, Tensor]:
    """float32 [128, 192] and [192, 64], and their exact product: half of the rows have many terms, half a large one."""
    generator = torch.Generator().manual_seed(1)

    def integers(limit: int, *shape: int) -> Tensor:
        return torch.randint(-limit, limit + 1, shape, generator=generator, device="cpu")

    dense = integers((1 << DENSE_BITS) - 1, 64, 192)
    sparse = torch.zeros(64, 192, dtype=torch.int64, device="cpu")
    sparse[:, 0] = integers((1 << SPARSE_BITS) - 1, 64)
    left, right = torch.cat([dense, sparse]), integers(10, 192, 64)
    right[0] = right[0].sign()  # the large terms must not pass 2^24
    expected = (left.double() @ right.double()).float()
    return left.float(), right.float(), expected
