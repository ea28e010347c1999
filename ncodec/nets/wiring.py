"""The integer layers by name: what each one's inputs come from, and with that the proof of what its sums can reach."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import pairwise

import torch
from torch import Tensor

from ncodec.nets.exact import SUM_LIMITS, ExactBlock, ExactDepthwise, ExactLinear, IntegerWeights, clamps, shifts
from ncodec.nets.layers import SLOPE_CHANNEL, SLOPE_SPATIAL

HYPER, LATENTS = "hyper", "latents"
"""Sources that are no layers: hyper-latents, and the decoded latents of step 1."""


def _block(name: str, source: str) -> dict[str, tuple[str, ...]]:
    """A block's layers; `b` and `v` come out added onto the stream."""
    parts = [source, *(f"{name}.{part}" for part in "adbuv")]
    return {part: (before,) for before, part in pairwise(parts)}


SOURCES: dict[str, tuple[str, ...]] = {
    "up32": (HYPER,),
    **_block("block32", "up32"),
    "up16": ("block32.v",),
    **_block("block16", "up16"),
    "first.inner": ("block16.v",),
    "first.out": ("first.inner",),
    "context.inner": ("block16.v", LATENTS),
    **_block("context.block", "context.inner"),
    "context.out": ("context.block.v",),
}
"""Layer -> the layers and other sources whose outputs are its inputs, in the order of the weights."""


def reach(name: str, clamp_of: Callable[[str], Tensor]) -> Tensor:
    """int64 [in]: the largest magnitudes of a layer's inputs; `clamp_of` gives those of a source, int64 [channels]."""
    return torch.cat([clamp_of(source) for source in SOURCES[name]])


class LayerReader:
    """Makes the layers of a weights file, each with its proof.

    Args:
        tensors: of the weights file.
    """

    def __init__(self, tensors: Mapping[str, Tensor]) -> None:
        self.tensors = tensors
        self.largest_sum = 0

    @property
    def dtype(self) -> torch.dtype:
        """The smallest number format that holds all sums of the layers read."""
        return torch.float32 if self.largest_sum < SUM_LIMITS[torch.float32] else torch.float64

    def clamp(self, source: str) -> Tensor:
        """Largest magnitudes, int64 [channels]. Raises KeyError, ValueError."""
        return clamps(self.tensors, f"prior.{source}")

    def shift(self, source: str) -> Tensor:
        """int64 [channels], of the source's own. Raises KeyError, ValueError."""
        return shifts(self.tensors, f"prior.{source}")

    def linear(self, name: str, slope: float = 1.0) -> ExactLinear:
        """Raises KeyError, ValueError."""
        weights = IntegerWeights.of(self.tensors, f"prior.{name}")
        self._prove(name, weights, weights.weight.shape[1])
        return ExactLinear(weights, slope)

    def depthwise(self, name: str) -> ExactDepthwise:
        """Raises KeyError, ValueError."""
        weights = IntegerWeights.of(self.tensors, f"prior.{name}", depthwise=True)
        self._prove(name, weights, len(weights.weight))
        return ExactDepthwise(weights)

    def block(self, name: str) -> ExactBlock:
        """Raises KeyError, ValueError."""
        return ExactBlock(
            self.linear(f"{name}.a", SLOPE_SPATIAL),
            self.depthwise(f"{name}.d"),
            self.linear(f"{name}.b"),
            self.linear(f"{name}.u", SLOPE_CHANNEL),
            self.linear(f"{name}.v"),
        )

    def _prove(self, name: str, weights: IntegerWeights, inputs: int) -> None:
        limits = reach(name, self.clamp)
        if len(limits) != inputs:
            raise ValueError(f"layer {name} has {inputs} inputs, and clamps for {len(limits)}")
        if weights.weight.shape[1] != inputs:  # depthwise
            limits = limits[:, None]
        largest = weights.largest_sum(limits, name)
        if not weights.shift.all():  # the half that rounding adds needs a binary digit of its own
            largest *= 2
        self.largest_sum = max(self.largest_sum, largest)
