"""Muon (Jordan et al. 2024, kellerjordan.github.io/posts/muon): momentum, made orthogonal by Newton-Schulz steps."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, _foreach_add_, _foreach_lerp, _foreach_lerp_  # pyright: ignore[reportPrivateImportUsage]

from ncodec.train.native.orthogonal import orthogonalise_native

NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)
"""Coefficients of the quintic step (Jordan et al. 2024): singular values end in about 0.7 ... 1.2, fast."""


def orthogonalise(matrices: Tensor, steps: int = 5) -> Tensor:
    """The nearest semi-orthogonal matrices, roughly: float [n, rows, columns] -> float32 of that shape.

    Computed in bfloat16, which is precise enough for a direction.
    """
    native = orthogonalise_native(matrices, steps, NEWTON_SCHULZ)
    return orthogonalise_plain(matrices, steps) if native is None else native


def orthogonalise_plain(matrices: Tensor, steps: int) -> Tensor:
    """`orthogonalise` by PyTorch alone."""
    a, b, c = NEWTON_SCHULZ
    x = matrices.bfloat16()
    tall = x.size(-2) > x.size(-1)
    x = x.mT if tall else x
    x = x / (x.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    for _ in range(steps):
        s = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(s, s, s, beta=b, alpha=c), x, beta=a)
    return (x.mT if tall else x).float()


class Muon(torch.optim.Optimizer):
    """For weights that are matrices ([rows, columns, 1, 1]); those of one shape are updated as one batch."""

    def __init__(self, params: Iterable[Tensor], lr: float = 0.01, momentum: float = 0.95) -> None:
        super().__init__(params, {"lr": lr, "momentum": momentum})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        for group in self.param_groups:
            by_shape: dict[torch.Size, list[Tensor]] = defaultdict(list)
            for parameter in group["params"]:
                if parameter.grad is not None:
                    by_shape[parameter.shape].append(parameter)
            for parameters in by_shape.values():
                self._update(parameters, group)

    def _update(self, parameters: list[Tensor], group: dict[str, Any]) -> None:
        for parameter in parameters:
            if not self.state[parameter]:
                self.state[parameter]["momentum"] = torch.zeros_like(parameter)
        momenta = [self.state[parameter]["momentum"] for parameter in parameters]
        gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
        _foreach_lerp_(momenta, gradients, 1 - group["momentum"])
        nesterov = _foreach_lerp(gradients, momenta, group["momentum"])
        stack = torch.stack([update.flatten(1) for update in nesterov])
        # A tall matrix needs longer columns for the same change of its output (Jordan et al. 2024).
        scale = max(1, stack.size(1) / stack.size(2)) ** 0.5
        updates = [u.view_as(p) for u, p in zip(orthogonalise(stack), parameters, strict=True)]
        _foreach_add_(parameters, updates, alpha=-group["lr"] * scale)
