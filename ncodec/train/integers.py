"""Floating-point hyper-synthesis, step-1 and context networks <-> integer layers; ranges are measured on pictures."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ncodec.nets.architecture import HYPER_STRIDE, QUALITIES
from ncodec.nets.exact import FEATURE_BITS, FEATURE_MAX, SHIFT_MAX, SUM_LIMITS, largest_sums
from ncodec.nets.wiring import LATENTS, SOURCES, reach
from ncodec.train.network import Network

WEIGHT_MAX = (1 << 15) - 1
HEADROOM = 1.25
"""Layers are clamped at no less than this multiple of the largest value that was seen."""
LATENT_BITS = 11
"""Of every latent the context network sees so many digits: a wide one's weights then have the more for themselves."""
SHIFT_WANTED = 4
"""An output that would need a coarser grid than 2^-4 gets one for sums in float64; such a model is slower."""
OUTPUTS = ("first.out", "context.out")
_BLOCKS = {"block32": "hyper_synthesis.block32", "block16": "hyper_synthesis.block16", "context.block": "context.block"}
EXACT_LAYERS = {
    "up32": "hyper_synthesis.up32.c",
    "up16": "hyper_synthesis.up16.c",
    "first.inner": "first.inner",
    "first.out": "first.out",
    "context.inner": "context.inner",
    "context.out": "context.out",
    **{f"{name}.{part}": f"{path}.{part}" for name, path in _BLOCKS.items() for part in "adbuv"},
}
"""Integer layer -> the layer of `Network` that it is made from."""
DEPTHWISE = ".d"
"""The names of depthwise layers end so."""


def exact_prior(network: Network, pictures: Iterable[np.ndarray]) -> dict[str, Tensor]:
    """`prior.*` tensors of a release, but for the thresholds (post-training quantisation).

    Args:
        network: in evaluation mode.
        pictures: uint8 [H, W, 3], as users' pictures will be; what goes far beyond them is clamped.
    """
    ranges = measured_ranges(network, pictures)
    unseen = (ranges[LATENTS].double().log2().floor().long() + 1 - LATENT_BITS).clamp(min=0)
    ranges[LATENTS] = ranges[LATENTS] >> unseen
    out = {f"prior.{source}.clamp": values.to(torch.int32) for source, values in ranges.items()}
    out[f"prior.{LATENTS}.shift"] = unseen.to(torch.int32)
    for name, path in EXACT_LAYERS.items():
        weight, bias = _weights(network, path)
        if LATENTS in SOURCES[name]:
            weight[:, -len(unseen) :] *= torch.exp2(unseen.double())
        integers = _integers(weight, bias, reach(name, ranges.__getitem__))
        if path.endswith(DEPTHWISE):
            integers["weight"] = integers["weight"].t().contiguous()
        out |= {f"prior.{name}.{part}": tensor for part, tensor in integers.items()}
    return out


def float_prior(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The `prior.*` tensors of a release -> float32 tensors of a `Network`'s state; the mirror of `exact_prior`.

    Raises:
        KeyError: a tensor is missing.
    """
    state = {}
    for name, path in EXACT_LAYERS.items():
        weight, bias, shift = (tensors[f"prior.{name}.{part}"] for part in ("weight", "bias", "shift"))
        unit = torch.exp2(-shift.double())
        depthwise = path.endswith(DEPTHWISE)
        matrix = (weight.t() if depthwise else weight).double() * unit[:, None]
        if LATENTS in SOURCES[name]:
            unseen = tensors[f"prior.{LATENTS}.shift"]
            matrix[:, -len(unseen) :] *= torch.exp2(-unseen.double())
        state[f"{path}.weight"] = (matrix.reshape(-1, 1, 3, 3) if depthwise else matrix[:, :, None, None]).float()
        state[f"{path}.bias"] = (bias.double() * unit * 2.0**-FEATURE_BITS).float()
    return state


@torch.no_grad()
def measured_ranges(network: Network, pictures: Iterable[np.ndarray]) -> dict[str, Tensor]:
    """Source (see `SOURCES`) -> int64 [channels]: where its values are clamped.

    Outputs that nothing but the entropy coder looks at get the whole range.
    """
    seen: dict[str, Tensor] = {}
    with _watched(network, lambda name, x: seen.update({name: torch.maximum(x, seen.get(name, x))})):
        for picture in pictures:
            x = _whole_tiles(torch.from_numpy(picture).permute(2, 0, 1)[None].float() / 255)
            for quality in range(QUALITIES):
                network.code(network.analysis(x, torch.tensor([quality])).float())
    ranges = {name: torch.full((2 * network.arch.latent,), FEATURE_MAX) for name in OUTPUTS}
    for name, sources in SOURCES.items():
        latents = network.arch.latent if LATENTS in sources else 0
        parts = seen[name].split([len(seen[name]) - latents, latents])
        for source, largest in zip(sources, parts, strict=False):
            steps = HEADROOM * (1 << FEATURE_BITS) * largest.double()
            ranges[source] = steps.ceil().long().clamp(1 << FEATURE_BITS, FEATURE_MAX)
    return ranges


@contextmanager
def _watched(network: Network, report: Callable[[str, Tensor], None]) -> Iterator[None]:
    """Report every integer layer's name and the largest magnitudes of its inputs, [channels], whenever it runs."""

    def hook(name: str) -> Callable[[nn.Module, tuple[Tensor, ...]], None]:
        return lambda _, x: report(name, x[0].float().abs().amax((0, 2, 3)))

    handles = [network.get_submodule(path).register_forward_pre_hook(hook(name)) for name, path in EXACT_LAYERS.items()]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _whole_tiles(x: Tensor) -> Tensor:
    """[1, 3, H, W] -> its borders repeated up to multiples of 64."""
    below, right = (math.ceil(n / HYPER_STRIDE) * HYPER_STRIDE - n for n in x.shape[2:])
    return F.pad(x, (0, right, 0, below), mode="replicate")


def _weights(network: Network, path: str) -> tuple[Tensor, Tensor]:
    """float64 [out, in] (depthwise: [channels, 9]) and [out], copies."""
    conv = cast(nn.Conv2d, network.get_submodule(path))
    return conv.weight.detach().double().flatten(1).clone(), cast(Tensor, conv.bias).detach().double()


def _integers(weight: Tensor, bias: Tensor, reach: Tensor) -> dict[str, Tensor]:
    """weight, bias and shift: for each output the finest grid on which float32, or else float64, adds up exactly."""
    if len(reach) != weight.shape[1]:  # depthwise
        reach = reach[:, None]
    shift = torch.full(bias.shape, -1)
    for limit, least in ((torch.float32, SHIFT_WANTED), (torch.float64, 0)):
        for candidate in torch.arange(SHIFT_MAX, least - 1, -1):
            w, b = _on_grid(weight, bias, candidate)
            exact = largest_sums(w, b, candidate, reach) < SUM_LIMITS[limit]
            shift = torch.where((shift < 0) & exact & (w.abs().amax(1) <= WEIGHT_MAX), candidate, shift)
    if (shift < 0).any():
        raise ValueError("a layer has weights too large for any grid")
    w, b = _on_grid(weight, bias, shift)
    return {"weight": w.to(torch.int16), "bias": b, "shift": shift.to(torch.int32)}


def _on_grid(weight: Tensor, bias: Tensor, shift: Tensor) -> tuple[Tensor, Tensor]:
    """int64 weights in units of 2^-shift and biases in units of 2^-(shift + FEATURE_BITS)."""
    unit = torch.exp2(shift.double())
    scaled = weight * (unit[:, None] if unit.ndim else unit)
    return scaled.round().long(), (bias * unit * (1 << FEATURE_BITS)).round().long()
