"""Testolina et al.'s codec, which ncodec's design is measured against, trained by our trainer; and running it.

Source: Testolina et al., "Towards image denoising in the latent space of learning-based compression", SPIE 2021: the
scale hyperprior of Balle et al. 2018 (here compressai's, 128 and 192 channels), whose decoder begins with four more
convolutions and ReLU and learns the clean picture. What the paper leaves open (5x5, stride 1, the first of them from
latent to inner width) is as in github.com/trougnouf/compression. Without them it is the plain codec.
"""

from __future__ import annotations

import functools
import json
import struct
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.grad import conv2d_weight

from ncodec.compat import allow_torchvision_beside_cpu_torch
from ncodec.errors import FormatError, ModelError
from ncodec.train.sizes import ReferenceSizes

allow_torchvision_beside_cpu_torch()
from compressai.models import ScaleHyperprior  # noqa: E402
from compressai.models.utils import deconv  # noqa: E402

KIND = "ncodec-reference"
"""`kind` in the metadata of the files."""
LEVELS = 255
STRIDE = 64
HEAD = struct.Struct("<HHI")
"""Of a file: height, width, bytes of the latents' stream; that stream and the hyper-latents' follow."""


class ReferenceNetwork(ScaleHyperprior):
    """compressai's network, for training in mixed precision; its own `compress` and `decompress` stay as they are."""

    def __init__(self, sizes: ReferenceSizes | None = None) -> None:
        sizes = sizes or ReferenceSizes()
        super().__init__(sizes.width, sizes.latent)
        self.sizes = sizes
        if sizes.denoising:
            self.g_s[0] = deconv(sizes.width, sizes.width)
            self.g_s = nn.Sequential(*_denoising(sizes), *self.g_s)
        for layer in self.modules():
            if isinstance(layer, nn.ConvTranspose2d):
                layer.forward = functools.partial(_upsampled, layer)  # pyright: ignore[reportAttributeAccessIssue]
        # The range in which hyper-latents are coded is found when the tables are made (`update`), not learnt.
        self.entropy_bottleneck.quantiles.requires_grad_(False)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Decoded picture and rate, as compressai's forward pass, the entropy models in float32.

        Args:
            x: float32 [B, 3, H, W] in [0, 1], H and W multiples of 64.

        Returns:
            float [B, 3, H, W], about [0, 1]; float32 [B], bits per pixel: noise-relaxed in training, else of rounded
            latents.
        """
        y = self.g_a(x).float()
        z = self.h_a(y.abs()).float()
        with torch.autocast(x.device.type, enabled=False):
            z_hat, z_likelihoods = self.entropy_bottleneck(z)
        scales = self.h_s(z_hat).float()
        y_hat, y_likelihoods = self.gaussian_conditional(y, scales)
        bits = -(y_likelihoods.log2().sum((1, 2, 3)) + z_likelihoods.log2().sum((1, 2, 3)))
        return self.g_s(y_hat), bits / (x.shape[2] * x.shape[3])


@dataclass(frozen=True, slots=True)
class Reference:
    """A trained network with its tables, ready to code; whole pictures at once, in float32.

    Attributes:
        network: on the CPU, in evaluation mode.
        denoises: whether its aim was the clean picture, or its input.
    """

    network: ReferenceNetwork
    denoises: bool

    @torch.inference_mode()
    def encode(self, picture: np.ndarray) -> bytes:
        """uint8 [H, W, 3], sides below 65,536 -> a file."""
        height, width = picture.shape[:2]
        x = torch.from_numpy(picture).permute(2, 0, 1)[None].float() / LEVELS
        x = F.pad(x, (0, -width % STRIDE, 0, -height % STRIDE), mode="replicate")
        (latents,), (hyper,) = self.network.compress(x)["strings"]
        return HEAD.pack(height, width, len(latents)) + latents + hyper

    @torch.inference_mode()
    def decode(self, data: bytes) -> np.ndarray:
        """The mirror of `encode`; FormatError if `data` is shorter than it says."""
        if len(data) < HEAD.size:
            raise FormatError("not a file of a reference codec")
        height, width, size = HEAD.unpack_from(data)
        if len(data) < HEAD.size + size:
            raise FormatError("a reference codec's file that ends too early")
        latents, hyper = data[HEAD.size : HEAD.size + size], data[HEAD.size + size :]
        shape = (-(-height // STRIDE), -(-width // STRIDE))
        x = self.network.decompress([[latents], [hyper]], shape)["x_hat"]
        return (x[0, :, :height, :width].permute(1, 2, 0) * LEVELS).round().to(torch.uint8).numpy()


def load_reference(path: Path) -> Reference:
    """A codec of a file that `ncodec.train.opponents` wrote. ModelError says why it is none."""
    try:
        with safe_open(path, "pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name).float() for name in file.keys()}  # noqa: SIM118 - not a dict
        if metadata.get("kind") != KIND:
            raise ValueError(f"its kind is {metadata.get('kind')}")
        network = ReferenceNetwork(ReferenceSizes.from_dict(json.loads(metadata["architecture"])))
        network.load_state_dict(network.state_dict() | tensors)
    except OSError as err:
        raise ModelError(f"the weights {path} cannot be read: {err.strerror or err}") from err
    except (SafetensorError, LookupError, TypeError, ValueError, RuntimeError) as err:
        raise ModelError(f"{path} is not a reference codec ({err})") from err
    network.requires_grad_(False).eval().update(force=True, update_quantiles=True)
    return Reference(network, bool(network.sizes.denoising))


def _upsampled(layer: nn.ConvTranspose2d, x: Tensor) -> Tensor:
    """`layer.forward`, trained in half the time on a CPU: PyTorch's own backward pass is slow in bfloat16 (2.13)."""
    if x.device.type == "cpu" and x.requires_grad and torch.is_autocast_enabled("cpu"):
        dtype = torch.get_autocast_dtype("cpu")
        weight = layer.weight.to(dtype).contiguous(memory_format=torch.channels_last)
        bias = None if layer.bias is None else layer.bias.to(dtype)
        return _Upsampling.apply(x.to(dtype), weight, bias, layer.stride, layer.padding, layer.output_padding)
    return nn.ConvTranspose2d.forward(layer, x)


class _Upsampling(torch.autograd.Function):
    """A transposed convolution whose backward pass is written as the convolution that it is the transpose of."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, *places: tuple[int, int]) -> Tensor:  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx.save_for_backward(x, weight)
        ctx.stride, ctx.padding, output_padding = places
        return F.conv_transpose2d(x, weight, bias, ctx.stride, ctx.padding, output_padding)

    @staticmethod
    def backward(ctx: Any, grad_y: Tensor) -> tuple[Tensor | None, ...]:  # pyright: ignore[reportIncompatibleMethodOverride]
        x, weight = ctx.saved_tensors
        grad_y = grad_y.to(x.dtype).contiguous(memory_format=torch.channels_last)
        places = {"stride": ctx.stride, "padding": ctx.padding}
        grad_weight = conv2d_weight(grad_y, weight.shape, x, **places)
        return F.conv2d(grad_y, weight, **places), grad_weight, grad_y.sum((0, 2, 3)), None, None, None


def _denoising(sizes: ReferenceSizes) -> list[nn.Module]:
    widths = [sizes.latent, *[sizes.width] * sizes.denoising]
    layers: list[nn.Module] = []
    for a, b in pairwise(widths):
        layers += [nn.Conv2d(a, b, 5, padding=2), nn.ReLU(inplace=True)]
    return layers
