"""A fresh reference codec as a linear transform codec of 16x16 blocks, as our own codec starts (`ncodec.train.klt`).

Its four convolutions of stride 2 become four levels of Karhunen-Loeve transforms of 2x2 neighbours, its decoder their
transposes; divisive normalisation is turned down until it is nearly linear. From compressai's random weights it takes
thousands of steps to get so far.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import cast

import torch
from compressai.layers import GDN
from torch import Tensor, nn
from torch.nn import functional as F

from ncodec.train.data import Pack, random_blocks
from ncodec.train.klt import LOG_GAINS, WHITENING
from ncodec.train.reference import ReferenceNetwork

BLOCKS = 20_000
LEVELS = 4
SIDE = 2**LEVELS
GAMMA = 0.01
"""Of the normalisation at first; compressai's 0.1 would not be undone by its inverse."""
FIRST_LAMBDA = 0.0018
"""Of the first of LOG_GAINS, which grow with the square root of lambda."""
CORE = slice(2, 4)
"""Taps of a 5x5 kernel of stride 2 that see 2x2 neighbours of their own."""
FEEBLE = 0.1
"""Gain of latents that the decoder does not use yet."""


@dataclass(frozen=True, slots=True)
class Level:
    """One transform: rows float32 [out, in, 2, 2], orthonormal, strongest first, and what comes of them: [out]."""

    rows: Tensor
    deviation: Tensor

    @property
    def scale(self) -> Tensor:
        """By which its channels are multiplied inside, so that weak ones are not invisible."""
        return (self.deviation + 1e-3) ** -WHITENING


def measure_levels(pack: Pack, width: int, latent: int, seed: int = 1) -> list[Level]:
    """Transforms of random 16x16 blocks, at most `width` channels after each, and `latent` after the last."""
    x = torch.from_numpy(random_blocks(pack, BLOCKS, SIDE, seed)).permute(0, 3, 1, 2).float() / 255 - 0.5
    levels = []
    for kept in (width, width, width, latent):
        vectors = F.pixel_unshuffle(x, 2).permute(0, 2, 3, 1).flatten(0, 2).double()
        values, axes = torch.linalg.eigh(vectors.T @ vectors / len(vectors))
        rows = axes.flip(1).T[:kept].float().unflatten(1, (-1, 2, 2))
        levels.append(Level(rows, values.flip(0)[:kept].clamp(min=0).sqrt().float()))
        x = F.conv2d(x, rows, stride=2)
    return levels


@torch.no_grad()
def start_as_pyramid(network: ReferenceNetwork, levels: list[Level]) -> None:
    """Make a fresh network the linear codec of `levels`; channels that it has beyond theirs stay as they were drawn."""
    sizes = network.sizes
    gain = math.exp(LOG_GAINS[0]) * math.sqrt(sizes.trade_off / FIRST_LAMBDA)
    for norm in (m for m in network.modules() if isinstance(m, GDN)):
        norm.gamma.copy_(norm.gamma_reparam.init(GAMMA * torch.eye(len(norm.gamma))))
    used = min(sizes.width // 2, len(levels[-1].rows)) if sizes.denoising else len(levels[-1].rows)
    gains = torch.full((len(levels[-1].rows),), gain)
    gains[used:] *= FEEBLE
    _start_encoder(network, levels, gains)
    _start_decoder(network, levels, gains[:used])
    # Scales that hardly depend on the hyper-latents at first: every channel's own deviation.
    last = cast(nn.Conv2d, network.h_s[-2])
    last.weight.mul_(0.1)
    _bias(last)[: len(gains)] = levels[-1].deviation * gains


def _start_encoder(network: ReferenceNetwork, levels: list[Level], gains: Tensor) -> None:
    convs = [m for m in network.g_a if isinstance(m, nn.Conv2d)]
    scale_in = torch.ones(3)
    for conv, level in zip(convs, levels, strict=True):
        scale = gains if conv is convs[-1] else level.scale
        count, inner = level.rows.shape[:2]
        conv.weight[:count] = 0
        conv.weight[:count, :inner, CORE, CORE] = scale[:, None, None, None] * level.rows / scale_in[:, None, None]
        _bias(conv).zero_()
        scale_in = level.scale
    _bias(convs[0])[: len(levels[0].rows)] = -0.5 * convs[0].weight[: len(levels[0].rows)].sum((1, 2, 3))


def _start_decoder(network: ReferenceNetwork, levels: list[Level], gains: Tensor) -> None:
    unit = 1 / gains
    rows = levels[-1].rows[: len(gains)]
    if network.sizes.denoising:
        unit, rows = _start_denoising(network, unit, rows)
    deconvs = [m for m in network.g_s if isinstance(m, nn.ConvTranspose2d)]
    for deconv, level, below in zip(deconvs, reversed(levels), [*reversed(levels[:-1]), None], strict=True):
        shown = rows if level is levels[-1] else level.rows
        scale_in = unit if level is levels[-1] else 1 / level.scale
        count, outer = shown.shape[:2]
        deconv.weight[:, :outer] = 0
        scale_out = torch.ones(3) if below is None else below.scale
        core = scale_in[:, None, None, None] * shown * scale_out[:, None, None]
        deconv.weight[:count, :outer, CORE, CORE] = core
        _bias(deconv).fill_(0.5 if below is None else 0.0)


def _start_denoising(network: ReferenceNetwork, unit: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
    """They hand each latent on in two channels, one a sign, since the rectifiers let only one through.

    Returns:
        Units and rows of the channels that leave them.
    """
    first, *others = (m for m in network.g_s if isinstance(m, nn.Conv2d))
    count = len(unit)
    first.weight[: 2 * count] = 0
    first.weight[range(count), range(count), 2, 2] = 1
    first.weight[range(count, 2 * count), range(count), 2, 2] = -1
    for conv in others:
        nn.init.dirac_(conv.weight)
    for conv in (first, *others):
        _bias(conv).zero_()
    return torch.cat([unit, -unit]), torch.cat([rows, rows])


def _bias(conv: nn.Conv2d | nn.ConvTranspose2d) -> Tensor:
    return cast(Tensor, conv.bias)
