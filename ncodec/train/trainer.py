"""One training run in memory: networks, optimisers, random generators and progress; one step of it."""

from __future__ import annotations

import contextlib
import copy
import warnings
from dataclasses import asdict
from typing import Any

import torch
from torch import Tensor, _foreach_lerp_, nn  # pyright: ignore[reportPrivateImportUsage]

from ncodec.device import transform_dtype
from ncodec.errors import RequestError
from ncodec.train.checkpoint import Progress, Start
from ncodec.train.data import Pack
from ncodec.train.grow import grown_state
from ncodec.train.native import NativeUnavailable, use_native_layers
from ncodec.train.noise import noisy_and_sigma
from ncodec.train.optimisers import Optimisers, rate_factor
from ncodec.train.patches import PatchSource
from ncodec.train.recipe import Recipe
from ncodec.train.sizes import task_of
from ncodec.train.tasks.registry import TASKS
from ncodec.train.tasks.task import Batch, Forward

EMA_STEPS = 4
"""The average is taken every so many steps, with the decay to that power: the same at a quarter of the cost."""


class Trainer:
    """Steps of one run. Uses torch's global generator (the caller forks and seeds it) and two of its own."""

    def __init__(self, recipe: Recipe, pack: Pack, device: torch.device, start: Start | None = None) -> None:
        """From the weights of `start`, or as the task begins. Raises RequestError if `start` does not fit."""
        self.recipe, self.device = recipe, device
        self.task = TASKS[recipe.task]
        network = self.task.network(recipe.architecture)
        averaged = first_weights(network, pack, recipe, start)
        self.network = move(network, device)
        self.ema = copy.deepcopy(self.network).eval()
        self.ema.load_state_dict(averaged)
        # A network that does not work yet leaves its first average behind quickly; a trained one brings a good one.
        self.ema_ramps = start is None or start.is_cut
        self.optimisers = Optimisers(self.task.groups(self.network), recipe.optimiser)
        self.source = PatchSource(pack, recipe.data, device, recipe.loop.seed)
        self.noise = torch.Generator(device).manual_seed(recipe.loop.seed)
        self.progress = Progress()
        if start is not None:
            self.progress.lifetime_steps = start.record.lifetime_steps
            self.progress.lifetime_pixels = start.record.lifetime_pixels
            self.progress.lifetime_seconds = start.record.lifetime_seconds
        self.dtype = transform_dtype(device)
        self.forward = accelerated(self.network, device, self.dtype)

    def step(self, share: float) -> Tensor:
        """Descend once.

        Args:
            share: 0..1, how much of the run is over: it sets the rates.

        Returns:
            float32 [n, batch]: what the task's summary wants to know of every sample.
        """
        recipe = self.recipe
        self.optimisers.set_rates(rate_factor(self.progress.step, share, recipe.optimiser))
        clean = self.source.batch()
        noisy, sigma = noisy_and_sigma(clean, recipe.noise, self.noise)
        batch = Batch(clean, noisy, sigma, self.noise, self.dtype)
        loss, samples = self.task.loss(recipe.architecture, self.forward, batch)
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(self.network.parameters(), recipe.optimiser.clip_norm)
        if torch.isfinite(norm):
            self.optimisers.step()
        else:
            self.progress.skipped += 1
        self.network.zero_grad(set_to_none=True)
        self.progress.count(pixels=clean.shape[0] * clean.shape[2] * clean.shape[3])
        if self.progress.step % EMA_STEPS == 0:
            self._average()
        return samples

    @torch.no_grad()
    def _average(self) -> None:
        decay = self.recipe.optimiser.ema_decay
        if self.ema_ramps:
            decay = min(decay, (1 + self.progress.step) / (10 + self.progress.step))
        _foreach_lerp_(list(self.ema.parameters()), list(self.network.parameters()), 1 - decay**EMA_STEPS)

    def state_dict(self) -> dict[str, Any]:
        """Everything that the next step depends on, as tensors and plain values."""
        state = {
            "recipe": self.recipe.to_dict(),
            "network": self.network.state_dict(),
            "ema": self.ema.state_dict(),
            "ema_ramps": self.ema_ramps,
            "optimisers": self.optimisers.state_dict(),
            "progress": asdict(self.progress),
            "patches": self.source.state_dict(),
            "noise": self.noise.get_state(),
            "torch": torch.get_rng_state(),
        }
        if self.device.type == "cuda":
            state["cuda"] = torch.cuda.get_rng_state(self.device)
        return state

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """The mirror of `state_dict`, for a trainer of the same architecture."""
        self.network.load_state_dict(state["network"])
        self.ema.load_state_dict(state["ema"])
        self.ema_ramps = state["ema_ramps"]
        self.optimisers.load_state_dict(state["optimisers"])
        self.progress = Progress(**state["progress"])
        self.source.load_state_dict(state["patches"])
        torch.set_rng_state(state["torch"])
        if ("cuda" in state) == (self.device.type == "cuda"):  # a generator's state does not fit another kind of device
            self.noise.set_state(state["noise"])
            if "cuda" in state:
                torch.cuda.set_rng_state(state["cuda"], self.device)

    def weights(self) -> Start:
        """What another run can start from; the tensors are the live ones."""
        return Start(self.recipe.architecture, self.network.state_dict(), self.ema.state_dict(), self.progress)


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


def move(network: nn.Module, device: torch.device) -> nn.Module:
    """To `device`, weights channels last as the convolutions like them."""
    return network.to(device, memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]


def accelerated(network: nn.Module, device: torch.device, dtype: torch.dtype) -> Forward:
    """The network's forward pass in the fastest way that is to be had here; EMA copies stay as they are."""
    if device.type == "cuda":
        return compiled(network)
    if dtype == torch.bfloat16:
        with contextlib.suppress(NativeUnavailable):  # then the blocks run as PyTorch has them
            use_native_layers(network)
    return network


def compiled(network: nn.Module) -> Forward:
    """The compiled network, which fuses what lies between its convolutions.

    Batches have one shape, so it is compiled once, for training. Where the compiler is missing or fails (it needs
    Triton), the network runs as it is. On a CPU compiling costs minutes and makes the step slower (docs/training.md).
    """
    fast: Forward | None = torch.compile(network, dynamic=False)

    def forward(*inputs: Tensor) -> Any:
        nonlocal fast
        if fast is not None:
            try:
                return fast(*inputs)
            except (RuntimeError, ImportError) as error:  # those of torch._dynamo and torch._inductor are RuntimeErrors
                warnings.warn(f"the network is not compiled: {error}", stacklevel=2)
                fast = None
        return network(*inputs)

    return forward
