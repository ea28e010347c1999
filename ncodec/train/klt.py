"""A fresh network as the best linear codec of the training set: it learns only what a linear transform cannot do."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from ncodec.nets.architecture import QUALITIES, STRIDE
from ncodec.train.data import Pack, random_blocks
from ncodec.train.network import Network

BLOCKS = 50_000
BLOCK_SIDE = 2 * STRIDE
WHITENING = 0.75
"""Channels are scaled by (standard deviation)^-0.75 inside, so that blocks see small coefficients too."""
LOG_GAINS = (0.75, 2.71)
"""Natural log of 1 / step of the first and the last quality: each lambda asks for a distortion of step^2 / 12."""


@dataclass(frozen=True, slots=True)
class Klt:
    """Karhunen-Loeve transforms, float32, strongest component first.

    Attributes:
        rows8: [192, 192], of 8x8x3 blocks as `pixel_unshuffle` orders them, around mid-gray.
        deviation8: [192], standard deviations of their coefficients.
        rows16: [n, 768], of 2x2 neighbours of those, ordered (coefficient, row, column).
        deviation16: [n].
    """

    rows8: Tensor
    deviation8: Tensor
    rows16: Tensor
    deviation16: Tensor


def measure_klt(pack: Pack, seed: int = 1) -> Klt:
    """KLT of random 16x16 blocks, as many from every picture."""
    x = torch.from_numpy(random_blocks(pack, BLOCKS, BLOCK_SIDE, seed)).double().permute(0, 3, 1, 2) / 255 - 0.5
    unshuffled = functional.pixel_unshuffle(x, STRIDE)
    rows8, deviation8 = _principal(unshuffled.permute(0, 2, 3, 1).reshape(-1, unshuffled.shape[1]))
    coefficients = torch.einsum("kc,nchw->nkhw", rows8, unshuffled).flatten(1)
    rows16, deviation16 = _principal(coefficients)
    return Klt(rows8.float(), deviation8.float(), rows16.float(), deviation16.float())


def _principal(vectors: Tensor) -> tuple[Tensor, Tensor]:
    """float64 [n, d] -> principal axes [d, d] in rows and standard deviations [d], strongest first."""
    values, axes = torch.linalg.eigh(vectors.T @ vectors / len(vectors))
    return axes.flip(1).T, values.flip(0).clamp(min=0).sqrt()


@torch.no_grad()
def start_as_klt(network: Network, klt: Klt) -> None:
    """Make a fresh network (all its stages still the identity) the linear transform codec of `klt`.

    Narrow networks keep the strongest components; wide ones leave the channels beyond them as they were drawn.
    """
    analysis, synthesis = network.analysis, network.synthesis
    arch = network.arch
    n8, n16 = min(arch.width8, len(klt.rows8)), min(arch.width16, len(klt.rows16))
    m = min(arch.latent, n16)
    rows8, rows16 = klt.rows8[:n8], klt.rows16[:n16].unflatten(1, (-1, 4))[:, :n8]
    scale8 = (klt.deviation8[:n8] + 1e-3) ** -WHITENING
    scale16 = (klt.deviation16[:n16] + 1e-3) ** -WHITENING
    patch = scale8[:, None] * rows8
    analysis.patch.weight[:n8] = patch[:, :, None, None]
    _bias(analysis.patch)[:n8] = -patch.sum(1) * 0.5
    down = scale16[:, None, None] * rows16 / scale8[:, None]
    analysis.down.weight.zero_()[:n16, :n8] = down.unflatten(2, (2, 2))
    up = scale8[:, None, None] * rows16.permute(1, 2, 0) / scale16
    synthesis.up.c.weight.zero_().unflatten(0, (-1, 4))[:n8, :, :n16] = up[..., None, None]
    synthesis.patch.weight.zero_()[:, :n8] = (rows8.T / scale8)[:, :, None, None]
    _bias(synthesis.patch).fill_(0.5)
    for conv, diagonal in ((analysis.latent, 1 / scale16), (synthesis.latent, scale16)):
        conv.weight.zero_()[range(m), range(m), 0, 0] = diagonal[:m]
    for conv in (analysis.down, analysis.latent, synthesis.latent, synthesis.up.c):
        _bias(conv).zero_()
    _start_rates(network)


@torch.no_grad()
def _start_rates(network: Network) -> None:
    """Gains at one over each quality's step; scales that begin wide and hardly depend on the features."""
    start = torch.linspace(*LOG_GAINS, QUALITIES)[:, None]
    network.analysis.log_gain.copy_(start.expand_as(network.analysis.log_gain))
    network.synthesis.log_gain.copy_(-start.expand_as(network.synthesis.log_gain))
    for conv in (network.first.out, network.context.out):
        conv.weight.mul_(0.1)
        _bias(conv).zero_()[network.arch.latent :] = 1.0


def _bias(conv: torch.nn.Conv2d) -> Tensor:
    if conv.bias is None:
        raise TypeError("a convolution without a bias")
    return conv.bias
