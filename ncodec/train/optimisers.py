"""Which parameter is trained by which optimiser, and at which rate when."""

from __future__ import annotations

from torch.optim import Adam, Optimizer

from ncodec.nets.layers import Block, QualityScale
from ncodec.train.muon import Muon
from ncodec.train.network import Network
from ncodec.train.recipe import OptimiserRecipe


class Optimisers:
    """Muon for the 1x1 weights inside blocks, Adam for all else, and the course of their rates."""

    def __init__(self, network: Network, recipe: OptimiserRecipe) -> None:
        self.recipe = recipe
        inner = [c.weight for m in network.modules() if isinstance(m, Block) for c in (m.a, m.b, m.u, m.v)]
        fast = [network.analysis.log_gain, network.synthesis.log_gain, *network.prior.parameters()]
        fast += [p for m in network.modules() if isinstance(m, QualityScale) for p in m.parameters()]
        fast = [p for p in fast if p.requires_grad]
        taken = {id(p) for p in (*inner, *fast)}
        rest = [p for p in network.parameters() if p.requires_grad and id(p) not in taken]
        groups = [
            {"params": rest, "lr": recipe.adam_rate},
            {"params": fast, "lr": recipe.adam_rate * recipe.fast_factor},
        ]
        self.all: tuple[Optimizer, ...] = (
            Muon(inner, recipe.muon_rate),
            Adam(groups, lr=recipe.adam_rate, betas=(0.9, 0.98), fused=True),
        )
        self.base_rates = [[group["lr"] for group in optimiser.param_groups] for optimiser in self.all]

    def set_rates(self, factor: float) -> None:
        """`factor` 1 is the recipe's rates."""
        for optimiser, rates in zip(self.all, self.base_rates, strict=True):
            for group, rate in zip(optimiser.param_groups, rates, strict=True):
                group["lr"] = rate * factor

    def step(self) -> None:
        for optimiser in self.all:
            optimiser.step()

    def state_dict(self) -> list[dict]:
        return [optimiser.state_dict() for optimiser in self.all]

    def load_state_dict(self, states: list[dict]) -> None:
        for optimiser, state in zip(self.all, states, strict=True):
            optimiser.load_state_dict(state)


def rate_factor(step: int, share: float, recipe: OptimiserRecipe) -> float:
    """Factor on the base rates: linear warm-up, then constant, then a linear fall over the last `fall_share`.

    Args:
        step: steps done in this run.
        share: 0..1, how much of the run is over.
        recipe: the course.
    """
    warm = min(1.0, (step + 1) / max(1, recipe.warmup_steps))
    fall = min(1.0, (1 - share) / recipe.fall_share) if recipe.fall_share else 1.0
    return warm * max(recipe.final_factor, fall)
