"""Which parameter is trained by which optimiser, and at which rate when."""

from __future__ import annotations

from torch.optim import Adam, Optimizer

from ncodec.errors import RequestError
from ncodec.train.muon import Muon
from ncodec.train.recipe import OptimiserRecipe
from ncodec.train.tasks.task import Groups


class Optimisers:
    """Muon for matrices, Adam for all else, and the course of their rates. With a Muon rate of 0 Adam has them all."""

    def __init__(self, groups: Groups, recipe: OptimiserRecipe) -> None:
        self.recipe = recipe
        with_muon = recipe.muon_rate > 0 and len(groups.matrices) > 0
        adam = [
            {"params": groups.rest if with_muon else [*groups.matrices, *groups.rest], "lr": recipe.adam_rate},
            {"params": groups.fast, "lr": recipe.adam_rate * recipe.fast_factor},
        ]
        muon = [Muon(groups.matrices, recipe.muon_rate)] if with_muon else []
        self.all: tuple[Optimizer, ...] = (*muon, Adam(adam, lr=recipe.adam_rate, betas=(0.9, 0.98), fused=True))
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
        """RequestError if they are of other optimisers."""
        if len(states) != len(self.all):
            raise RequestError("the run there was trained by other optimisers (muon_rate is 0 or is not)")
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
