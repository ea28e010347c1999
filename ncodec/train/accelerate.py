"""A network where it is trained, and its forward pass in the fastest way that is to be had there."""

from __future__ import annotations

import contextlib
import warnings
from typing import Any

import torch
from torch import Tensor, nn

from ncodec.train.native import NativeUnavailable, use_native_layers
from ncodec.train.tasks.task import Forward


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
