"""One training run in memory: networks, optimisers, random generators and progress; one step of it."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

import torch
from torch import Tensor, _foreach_lerp_, nn  # pyright: ignore[reportPrivateImportUsage]

from ncodec.device import transform_dtype
from ncodec.errors import RequestError
from ncodec.train.accelerate import accelerated, move
from ncodec.train.checkpoint import Progress, Start
from ncodec.train.data import Pack
from ncodec.train.gradients import Gradients, Outcome, Part
from ncodec.train.grow import grown_state
from ncodec.train.optimisers import Optimisers, rate_factor
from ncodec.train.patches import PatchSource
from ncodec.train.recipe import Recipe
from ncodec.train.sizes import task_of
from ncodec.train.tasks.registry import TASKS
from ncodec.train.workers import Workers

EMA_STEPS = 4
"""The average is taken every so many steps, with the decay to that power: the same at a quarter of the cost."""


class Trainer:
    """Steps of one run. Seeds torch's global generator in every step (the caller forks it), and has two of its own."""

    def __init__(
        self, recipe: Recipe, pack: Pack, device: torch.device, start: Start | None = None, processes: int = 1
    ) -> None:
        """From the weights of `start`, or as the task begins.

        Several processes (on a CPU alone, no more than the recipe's parts) share PyTorch's threads, and `close` ends
        all but this one.

        Raises:
            RequestError: `start` does not fit, or another device shall have several processes.
        """
        self.recipe, self.device = recipe, device
        self.task = TASKS[recipe.task]
        if processes > 1 and device.type != "cpu":
            raise RequestError(f"several processes can share the training on a CPU, not on {device}")
        network = self.task.network(recipe.architecture)
        averaged = first_weights(network, pack, recipe, start)
        self.network = move(network, device)
        self.ema = copy.deepcopy(self.network).eval()
        self.ema.load_state_dict(averaged)
        self.optimisers = Optimisers(self.task.groups(self.network), recipe.optimiser)
        # Weights that have seen the first patches of this seed go on with others, and with other noise.
        seed = recipe.loop.seed + (start.record.lifetime_steps if start is not None else 0)
        self.source = PatchSource(pack, recipe.data, device, seed)
        self.noise = torch.Generator(device).manual_seed(seed)
        self.progress = Progress()
        if start is not None:
            self.progress.lifetime_steps = start.record.lifetime_steps
            self.progress.lifetime_pixels = start.record.lifetime_pixels
            self.progress.lifetime_seconds = start.record.lifetime_seconds
        dtype = transform_dtype(device)
        self.threads = max(1, torch.get_num_threads() // processes)
        self.gradients = Gradients(recipe, self.network, accelerated(self.network, device, dtype), dtype)
        # Last: nothing can fail after it, and what `accelerated` compiles is there for all of them.
        self.workers = Workers(recipe, self.network, dtype, processes - 1, self.threads) if processes > 1 else None

    def step(self, share: float) -> Tensor:
        """Descend once.

        Args:
            share: 0..1, how much of the run is over: it sets the rates.

        Returns:
            float32 [n, batch]: what the task's summary wants to know of every sample.
        """
        self.optimisers.set_rates(rate_factor(self.progress.step, share, self.recipe.optimiser))
        clean = self.source.batch()
        with _threads(self.threads):
            samples = self._descent(clean)
        self.optimisers.step()
        self.network.zero_grad(set_to_none=True)
        self.progress.count(pixels=clean.shape[0] * clean.shape[2] * clean.shape[3])
        if self.progress.step % EMA_STEPS == 0:
            self._average()
        return samples

    def _descent(self, batch: Tensor) -> Tensor:
        """Give the parameters the gradient of a batch of clean pictures; returns the samples for the summary."""
        size = self.recipe.optimiser.clip_batch
        clean, choice = (tensor.split(size) for tensor in (batch, self.task.choices(len(batch), self.noise)))
        seeds = torch.randint(2**62, (len(clean),), device=self.device, generator=self.noise).tolist()
        shares = [len(pictures) / len(batch) for pictures in clean]
        parts = list(map(Part, clean, choice, seeds, shares))
        total = [torch.zeros_like(parameter) for parameter in self.gradients.parameters]
        outcomes = self._shared_out(parts, total)
        for parameter, gradient in zip(self.gradients.parameters, total, strict=True):
            parameter.grad = gradient
        self.progress.skipped += sum(outcome.skipped for outcome in outcomes)
        return torch.cat([outcome.samples for outcome in outcomes], 1)

    def _shared_out(self, parts: Sequence[Part], total: list[Tensor]) -> list[Outcome]:
        """The mean gradient of the parts, by all processes that there are."""
        if self.workers is None:
            return [self.gradients.add(parts, total)]
        everyone = len(self.workers) + 1
        self.workers.start([parts[i::everyone] for i in range(1, everyone)])
        return [self.gradients.add(parts[::everyone], total), *self.workers.finish(total)]

    @torch.no_grad()
    def _average(self) -> None:
        """The decay grows, or short runs would ship what they began with: at 0.999 a third of it after 1000 steps."""
        step = self.progress.step
        decay = min(self.recipe.optimiser.ema_decay, (1 + step) / (10 + step))
        _foreach_lerp_(list(self.ema.parameters()), list(self.network.parameters()), 1 - decay**EMA_STEPS)

    def close(self) -> None:
        """End the other processes."""
        if self.workers is not None:
            self.workers.close()

    def state_dict(self) -> dict[str, Any]:
        """Everything that the next step depends on, as tensors and plain values."""
        return {
            "recipe": self.recipe.to_dict(),
            "network": self.network.state_dict(),
            "ema": self.ema.state_dict(),
            "optimisers": self.optimisers.state_dict(),
            "progress": asdict(self.progress),
            "patches": self.source.state_dict(),
            "noise": self.noise.get_state(),
            "device": self.device.type,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """The mirror of `state_dict`, for a trainer of the same architecture."""
        self.network.load_state_dict(state["network"])
        self.ema.load_state_dict(state["ema"])
        self.optimisers.load_state_dict(state["optimisers"])
        self.progress = Progress(**state["progress"])
        self.source.load_state_dict(state["patches"])
        if state.get("device", "cpu") == self.device.type:  # a generator's state does not fit another kind of device
            self.noise.set_state(state["noise"])

    def weights(self) -> Start:
        """What another run can start from; the tensors are the live ones."""
        sizes, noise = self.recipe.architecture, self.recipe.noise
        return Start(sizes, self.network.state_dict(), self.ema.state_dict(), self.progress, noise)


@contextlib.contextmanager
def _threads(count: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def first_weights(network: nn.Module, pack: Pack, recipe: Recipe, start: Start | None) -> dict[str, Tensor]:
    """Give `network` its first weights; returns those of its average."""
    task = TASKS[recipe.task]
    if start is None:
        task.begin(network, pack)
        return copy.deepcopy(network.state_dict())
    if task_of(start.architecture) != recipe.task:
        raise RequestError(f"weights of a {task_of(start.architecture)} cannot start a {recipe.task}")
    task.check_start(start.architecture, recipe.architecture)
    fresh = copy.deepcopy(network.state_dict())
    averaged = grown_state(fresh, start.ema)
    network.load_state_dict(grown_state(fresh, start.network))
    return averaged
