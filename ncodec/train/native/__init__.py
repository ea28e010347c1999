"""The network's layers as compiled code, where the processor multiplies bfloat16 numbers: the same arithmetic, faster.

`library` compiles kernels.cpp with the machine's own C++ compiler and loads it; `blocks`, `linear`, `stack` and
`orthogonal` call it. Products come from AMX's tiles or else from AVX-512's pairs. Without such a processor or compiler
everything runs as PyTorch has it. Inference never comes here.
"""

from __future__ import annotations

import functools

from torch import nn

from ncodec.nets.layers import Block
from ncodec.train.native.blocks import block_fits, block_forward
from ncodec.train.native.library import NativeUnavailable, load_library
from ncodec.train.native.linear import convolution_fits, convolution_forward
from ncodec.train.native.stack import stack_forward, stacks

__all__ = ["NativeUnavailable", "load_library", "use_native_layers"]


def use_native_layers(network: nn.Module) -> int:
    """Let every layer of `network` that can run as compiled code do so from now on; returns how many can.

    Under bfloat16 autocast on a CPU they compute what autocast does; otherwise, and for shapes that do not fit the
    blocks, they run as before.

    Raises:
        NativeUnavailable: not on this machine.
    """
    load_library()
    blocks = [m for m in network.modules() if isinstance(m, Block) and block_fits(m)]
    inside = {id(inner) for block in blocks for inner in block.modules()}
    others = [m for m in network.modules() if isinstance(m, nn.Conv2d) and id(m) not in inside]
    ours = [(block, block_forward) for block in blocks]
    ours += [(conv, convolution_forward) for conv in others if convolution_fits(conv)]
    for layer, forward in ours:
        layer.forward = functools.partial(forward, layer)  # pyright: ignore[reportArgumentType, reportAttributeAccessIssue]
    for net in stacks(network):
        net.inner = functools.partial(stack_forward, net)
    return len(ours) + len(stacks(network))
