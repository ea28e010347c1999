"""The network's layers as compiled code, where the processor has AMX: the same arithmetic in half the time.

`library` compiles kernels.cpp with the machine's own C++ compiler and loads it; `blocks` and `linear` call it. Without
such a processor or compiler everything runs as PyTorch has it. Inference never comes here.
"""

from __future__ import annotations

import functools

from torch import nn

from ncodec.nets.layers import Block
from ncodec.train.native.blocks import block_fits, block_forward
from ncodec.train.native.library import NativeUnavailable, load_library
from ncodec.train.native.linear import convolution_fits, convolution_forward

__all__ = ["NativeUnavailable", "load_library", "use_native_layers"]


def use_native_layers(network: nn.Module) -> int:
    """Let every layer of `network` that can run as compiled code do so from now on; returns how many can.

    Under bfloat16 autocast on a CPU they compute what autocast does; otherwise, and for shapes that do not fit the
    tiles, they run as before.

    Raises:
        NativeUnavailable: not on this machine.
    """
    load_library()
    blocks = [m for m in network.modules() if isinstance(m, Block) and block_fits(m)]
    inside = {id(inner) for block in blocks for inner in block.modules()}
    convolutions = [
        m for m in network.modules() if isinstance(m, nn.Conv2d) and id(m) not in inside and convolution_fits(m)
    ]
    for block in blocks:
        block.forward = functools.partial(block_forward, block)
    for convolution in convolutions:
        convolution.forward = functools.partial(convolution_forward, convolution)  # pyright: ignore[reportAttributeAccessIssue]
    return len(blocks) + len(convolutions)
