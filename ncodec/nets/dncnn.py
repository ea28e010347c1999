"""DnCNN and FDnCNN for colour, the denoisers that the codec is compared with: networks, their files, and running them.

Source: Zhang et al., "Beyond a Gaussian Denoiser", IEEE TIP 2017, and the authors' later FDnCNN (github.com/cszn/KAIR),
batch norm merged into the convolutions: 20 convolutions of 3x3, 64 channels, ReLU between them.
"""

from __future__ import annotations

import json
import pickle
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn
from torch.nn import functional as F

from ncodec.errors import ModelError, RequestError
from ncodec.nets.windows import windows

LEVELS = 255
KIND = "ncodec-dncnn"
"""`kind` in the metadata of our files."""
CORE = 512
"""Pixels per side of a window's core: bounds the memory to some 200 MiB."""

Layer = Callable[[Tensor], Tensor]


@dataclass(frozen=True, slots=True)
class DnCnnSizes:
    """Sizes of one network.

    Attributes:
        depth: convolutions.
        width: channels between them.
        conditioned: the noise's standard deviation is told in a fourth input channel (FDnCNN); else it is blind.
        residual: the convolutions give the noise, as in DnCNN; else the clean picture, as in the authors' FDnCNN.
    """

    depth: int = 20
    width: int = 64
    conditioned: bool = False
    residual: bool = True

    def to_dict(self) -> dict[str, int]:
        """Plain values, for a JSON text."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, int]) -> DnCnnSizes:
        """The mirror of `to_dict`. Raises ValueError on a missing, unknown or senseless value."""
        names = {field.name for field in fields(cls)}
        if not isinstance(values, dict) or set(values) | {"residual"} != names:  # the first files do not have it
            raise ValueError(f"sizes {sorted(names.symmetric_difference(values))} are missing or unknown")
        sizes = cls(**values)  # pyright: ignore[reportArgumentType]
        if type(sizes.depth) is not int or not 2 <= sizes.depth <= 100:
            raise ValueError("the depth is not an integer in 2..100")
        if type(sizes.width) is not int or not 8 <= sizes.width <= 1024:
            raise ValueError("the width is not an integer in 8..1024")
        for name in ("conditioned", "residual"):
            if type(getattr(sizes, name)) is not bool:
                raise ValueError(f"{name} is neither true nor false")
        return sizes

    def kmac_per_pixel(self) -> float:
        """Multiply-accumulates per pixel, in thousands."""
        ends = (3 + self.conditioned) * self.width + self.width * 3
        return 9 * (ends + (self.depth - 2) * self.width**2) / 1000


class DnCnn(nn.Module):
    """Noisy picture -> clean estimate. Fresh, it gives the picture back as it is."""

    def __init__(self, sizes: DnCnnSizes | None = None) -> None:
        super().__init__()
        self.sizes = sizes = sizes or DnCnnSizes()
        channels = [3 + sizes.conditioned, *[sizes.width] * (sizes.depth - 1), 3]
        self.layers = nn.ModuleList(nn.Conv2d(a, b, 3, padding=1) for a, b in pairwise(channels))
        self._start_as_identity()

    def forward(self, x: Tensor, sigma: Tensor | None = None) -> Tensor:
        """float32 [B, 3, H, W] in [0, 1] -> the same shape, not clipped.

        The first and the last convolution run in float32 under autocast, too: bfloat16 has not all of 256 levels.

        Args:
            x: the noisy pictures.
            sigma: float32 [B], the noise's standard deviation in [0, 1] units; a blind network must not be told.
        """
        with torch.autocast(x.device.type, enabled=False):
            h = F.relu(self.layers[0](self.told(x, sigma)))
        h = self.inner(h)
        with torch.autocast(x.device.type, enabled=False):
            h = self.layers[-1](h.to(x.dtype))
        return x - h if self.sizes.residual else h

    def inner(self, h: Tensor) -> Tensor:
        """All convolutions but the first and the last, with their rectifiers: float [B, width, H, W] -> the same."""
        for layer in self.inner_layers():
            h = F.relu(layer(h), inplace=True)
        return h

    def inner_layers(self) -> list[nn.Conv2d]:
        """All but the first and the last."""
        return [layer for layer in self.layers[1:-1] if isinstance(layer, nn.Conv2d)]

    def told(self, x: Tensor, sigma: Tensor | None) -> Tensor:
        """The input of the first convolution: the pictures, and for a conditioned network sigma beside them."""
        if not self.sizes.conditioned:
            return x
        if sigma is None:
            raise RequestError("this denoiser must be told the noise's standard deviation")
        plane = sigma[:, None, None, None].expand(-1, 1, *x.shape[2:])
        return torch.cat([x, plane], 1).contiguous(memory_format=torch.channels_last)

    @torch.no_grad()
    def _start_as_identity(self) -> None:
        """He's initialisation; the last convolution zero (no noise), or, where the clean picture is wanted, its three
        channels (which are never negative) handed through."""
        for layer in self.layers:
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")  # pyright: ignore[reportArgumentType]
            nn.init.zeros_(layer.bias)  # pyright: ignore[reportArgumentType]
        nn.init.zeros_(self.layers[-1].weight)  # pyright: ignore[reportArgumentType]
        if not self.sizes.residual:
            for layer in self.layers:
                layer.weight[:3] = 0  # pyright: ignore[reportIndexIssue]
                layer.weight[range(3), range(3), 1, 1] = 1  # pyright: ignore[reportIndexIssue]


def load_dncnn(path: Path) -> DnCnn:
    """A network of ours (safetensors) or of the authors (.pth), float32, on the CPU, in evaluation mode.

    Raises:
        ModelError: the file is neither; the message says why.
    """
    try:
        sizes, tensors = _read_authors(path) if path.suffix == ".pth" else _read_ours(path)
        net = DnCnn(sizes)
        net.load_state_dict({key: value.float() for key, value in tensors.items()})
    except OSError as err:
        raise ModelError(f"the weights {path} cannot be read: {err.strerror or err}") from err
    except (SafetensorError, pickle.UnpicklingError, LookupError, TypeError, ValueError, RuntimeError) as err:
        raise ModelError(f"{path} is not a DnCNN ({err})") from err
    return net.requires_grad_(False).eval().to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]


@torch.inference_mode()
def denoise(net: DnCnn, picture: np.ndarray, sigma: float | None, dtype: torch.dtype, core: int = CORE) -> np.ndarray:
    """Denoise a picture, in windows whose result is that of the whole.

    Args:
        net: on any device.
        picture: uint8 [H, W, 1 or 3].
        sigma: the noise's standard deviation in 8-bit levels, for a conditioned network; a blind one does without.
        dtype: float32, or bfloat16 for all but the first and the last convolution.
        core: pixels per side of a window's core.

    Returns:
        uint8, of the shape of `picture`.

    Raises:
        RequestError: a conditioned network is not told sigma.
    """
    run = _Runner(net, dtype)
    device = next(net.parameters()).device
    told = None if sigma is None else torch.tensor([sigma / LEVELS], device=device)
    pixels = torch.from_numpy(picture)
    out = torch.empty_like(pixels)
    height, width = picture.shape[:2]
    for window in windows(height, width, core, halo=net.sizes.depth):
        x = pixels[window.outer].to(device).expand(-1, -1, 3).permute(2, 0, 1)[None].float() / LEVELS
        clean = run(x.contiguous(memory_format=torch.channels_last), told)[0].permute(1, 2, 0)[window.inner()]
        if picture.shape[2] == 1:
            clean = clean.mean(2, keepdim=True)
        out[window.core] = (clean * LEVELS).round_().clamp_(0, 255).to(torch.uint8).cpu()
    return out.numpy()


class _Runner:
    """A network's forward pass with its weights in `dtype` and, on a CPU, the rectifiers inside the convolutions."""

    def __init__(self, net: DnCnn, dtype: torch.dtype) -> None:
        self.net, self.dtype = net, dtype
        self.inner = [_layer(conv, dtype) for conv in net.inner_layers()]

    def __call__(self, x: Tensor, sigma: Tensor | None) -> Tensor:
        net = self.net
        h = F.relu(net.layers[0](net.told(x, sigma)), inplace=True).to(self.dtype)
        for layer in self.inner:
            h = layer(h)
        h = net.layers[-1](h.float())
        return x - h if net.sizes.residual else h


def _layer(conv: nn.Conv2d, dtype: torch.dtype) -> Layer:
    """Convolution and rectifier, `dtype` [B, C, H, W] channels last."""
    weight = conv.weight.to(dtype, memory_format=torch.channels_last)
    bias = None if conv.bias is None else conv.bias.to(dtype)
    if dtype == torch.bfloat16 and weight.device.type == "cpu" and hasattr(torch.ops.mkldnn, "_convolution_pointwise"):
        fused = torch.ops.mkldnn._convolution_pointwise  # oneDNN's, that of torch's own compiler
        return lambda x: fused(x, weight, bias, [1, 1], [1, 1], [1, 1], 1, "relu", [], "")
    return lambda x: F.relu(F.conv2d(x, weight, bias, padding=1), inplace=True)


def _read_ours(path: Path) -> tuple[DnCnnSizes, Mapping[str, Tensor]]:
    with safe_open(path, "pt") as file:
        metadata = file.metadata() or {}
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
    if metadata.get("kind") != KIND:
        raise ValueError(f"its kind is {metadata.get('kind')}")
    return DnCnnSizes.from_dict(json.loads(metadata["architecture"])), tensors


def _read_authors(path: Path) -> tuple[DnCnnSizes, Mapping[str, Tensor]]:
    """Keys `model.{2k}.weight` and `.bias`; what the network is stands in its shapes."""
    if not zipfile.is_zipfile(path):  # torch.load would take it for a format of old, and fail in many ways
        raise ValueError("it is not a file of torch.save")
    state = torch.load(path, map_location="cpu", weights_only=True)
    depth = len(state) // 2
    first = state["model.0.weight"]
    tensors = {
        f"layers.{k}.{part}": state[f"model.{2 * k}.{part}"] for k in range(depth) for part in ("weight", "bias")
    }
    conditioned = first.shape[1] == 4
    return DnCnnSizes(depth, first.shape[0], conditioned, residual=not conditioned), tensors
