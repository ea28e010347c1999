"""A fresh denoiser as the best linear one of 3x3 pixels: it learns only what a linear filter cannot do.

The same idea as the codec's KLT start (`ncodec.train.klt`). The first convolution takes 3x3x3 blocks apart into their
principal components, each with both signs, since the rectifiers let only one through; the convolutions between hand
every channel on; the last one puts together the share of the components that is noise (Wiener's filter).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ncodec.nets.dncnn import DnCnn
from ncodec.train.data import Pack, random_blocks

SIDE = 3
BLOCKS = 40_000
START_SIGMA = 25 / 255
"""The linear filter is the one for this noise."""


def measure_blocks(pack: Pack, seed: int = 1) -> tuple[Tensor, Tensor]:
    """Principal components of random 3x3x3 blocks.

    Returns:
        float32 [27, 3, 3, 3], of norm 1, weakest first; float32 [27], their variances in [0, 1] units.
    """
    x = torch.from_numpy(random_blocks(pack, BLOCKS, SIDE, seed)).double().permute(0, 3, 1, 2).flatten(1) / 255
    x -= x.mean()
    variances, axes = torch.linalg.eigh(x.T @ x / len(x))
    return axes.T.float().reshape(-1, 3, SIDE, SIDE), variances.float().clamp(min=0)


@torch.no_grad()
def start_as_wiener(network: DnCnn, components: Tensor, variances: Tensor) -> None:
    """Make `network` the linear filter; channels beyond those that it needs stay as they were drawn.

    What a network needs besides is handed through in channels of their own: sigma where it is told, and the picture
    where the clean one is wanted and not the noise.
    """
    first, *inner, last = (conv for conv in network.layers if isinstance(conv, nn.Conv2d))
    sizes = network.sizes
    handed = [*range(0 if sizes.residual else 3), *([3] if sizes.conditioned else [])]
    pairs = min(len(components), (sizes.width - len(handed)) // 2)
    shown = components[:pairs]
    noise_share = START_SIGMA**2 / (START_SIGMA**2 + variances[:pairs])
    # Every pixel lies in nine blocks: the mean of what they say of it.
    back = (shown.flip(2, 3) * noise_share[:, None, None, None]).transpose(0, 1) / SIDE**2
    for i, sign in enumerate((1, -1)):
        channels = slice(i * pairs, (i + 1) * pairs)
        first.weight[channels] = 0
        first.weight[channels, :3] = sign * shown
    last.weight.zero_()
    last.weight[:, :pairs], last.weight[:, pairs : 2 * pairs] = back, -back
    for conv in inner:
        nn.init.dirac_(conv.weight)
    own = range(2 * pairs, 2 * pairs + len(handed))
    first.weight[own] = 0
    first.weight[own, handed, 1, 1] = 1
    if not sizes.residual:
        last.weight.neg_()
        last.weight[range(3), own[:3], 1, 1] = 1
