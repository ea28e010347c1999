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

    Parts of batches have one shape or two, so it is compiled once or twice, for training. Where the compiler is missing
    or fails (it needs Triton), the network runs as it is. On a CPU compiling costs minutes and makes the step slower
    (docs/training.md).
    """
    chosen: dict[torch.Size, Forward] = {}

    def forward(*inputs: Tensor) -> Any:
        shape = inputs[0].shape
        if shape not in chosen:
            chosen[shape] = _tried(network, inputs)
        return chosen[shape](*inputs)

    return forward


def _tried(network: nn.Module, inputs: tuple[Tensor, ...]) -> Forward:
    """The compiled network if it runs there and back; the backward pass is only compiled when it first runs."""
    fast: Forward = torch.compile(network, dynamic=False)
    devices = [inputs[0].device] if inputs[0].device.type == "cuda" else []
    try:
        with torch.random.fork_rng(devices):
            outputs = fast(*inputs)
            totals = [output.sum() for output in (outputs if isinstance(outputs, tuple) else (outputs,))]
            torch.autograd.grad(totals, [p for p in network.parameters() if p.requires_grad], allow_unused=True)
    except torch.OutOfMemoryError:
        raise
    except (RuntimeError, ImportError) as error:  # those of torch._dynamo and torch._inductor are RuntimeErrors
        warnings.warn(f"the network is not compiled: {error}", stacklevel=2)
        return network
    return fast
