"""What differs between the networks that the trainer trains; data, noise, loop and state are the same for all."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from ncodec.errors import RequestError
from ncodec.train.data import Pack
from ncodec.train.sizes import Sizes

Net = TypeVar("Net", bound=nn.Module)
NetSizes = TypeVar("NetSizes", bound=Sizes)

Forward = Callable[..., Any]
"""A network's forward pass, or its compiled twin."""


def autocast(device: torch.device, dtype: torch.dtype) -> torch.autocast:
    """Convolutions in `dtype`; float32 is as without."""
    return torch.autocast(device.type, dtype=dtype, enabled=dtype != torch.float32)


@dataclass(frozen=True, slots=True)
class Batch:
    """What one step sees.

    Attributes:
        clean, noisy: float32 [B, 3, H, W] in [0, 1].
        sigma: float32 [B], standard deviation of white noise on a mid-gray, in [0, 1] units (`noisy_and_sigma`).
        choice: int64 [B], what the task chose for them (`Task.choices`).
        dtype: of the convolutions.
    """

    clean: Tensor
    noisy: Tensor
    sigma: Tensor
    choice: Tensor
    dtype: torch.dtype

    def autocast(self) -> torch.autocast:
        """The context of the forward pass."""
        return autocast(self.clean.device, self.dtype)


@dataclass(frozen=True, slots=True)
class Groups:
    """Parameters by the way in which they learn.

    Attributes:
        matrices: by Muon, as matrices [rows, the rest].
        fast: by Adam, at a multiple of its rate.
        rest: by Adam.
    """

    matrices: Sequence[Tensor]
    fast: Sequence[Tensor]
    rest: Sequence[Tensor]

    @classmethod
    def of(cls, network: nn.Module, matrices: Sequence[Tensor], fast: Sequence[Tensor] = ()) -> Groups:
        """All that is trained of `network` and is in neither list is `rest`."""
        taken = {id(parameter) for parameter in (*matrices, *fast)}
        rest = [p for p in network.parameters() if p.requires_grad and id(p) not in taken]
        return cls(matrices, fast, rest)


@dataclass(frozen=True, slots=True)
class PsnrPoint:
    """Mean PSNR of the denoised 8-bit pictures against the clean ones."""

    sigma: float
    psnr_db: float


@dataclass(frozen=True, slots=True)
class Point:
    """Mean over pictures. The rate is estimated; the PSNR is the decoded 8-bit picture's against what it should be."""

    sigma: float
    quality: int
    rate_bpp: float
    psnr_db: float


class Task(ABC, Generic[Net, NetSizes]):
    """One kind of network: how it is made, what it learns from, how it is judged."""

    @abstractmethod
    def network(self, sizes: NetSizes) -> Net:
        """A newly made one."""

    def begin(self, network: Net, pack: Pack) -> None:
        """Give a newly made network better first weights than it was made with, from the pictures."""

    def check_start(self, old: NetSizes, new: NetSizes) -> None:
        """RequestError unless weights of the sizes `old` can start a network of the sizes `new`."""
        if old != new:
            raise RequestError(f"weights of a network with {old} cannot start one with {new}")

    @abstractmethod
    def groups(self, network: Net) -> Groups:
        """How its parameters learn."""

    def choices(self, count: int, random: torch.Generator) -> Tensor:
        """int64 [count], on the generator's device: what the samples of a step differ in, chosen for all together."""
        return torch.zeros(count, dtype=torch.int64, device=random.device)

    @abstractmethod
    def loss(self, sizes: NetSizes, forward: Forward, batch: Batch) -> tuple[Tensor, Tensor]:
        """The loss, and float32 [n, B] of every sample for `summary`, without gradients."""

    @abstractmethod
    def summary(self, sizes: NetSizes, samples: Tensor) -> dict[str, Any]:
        """What a line of the log says of the samples (on the CPU) since the last one; `loss` is one of its keys."""

    @abstractmethod
    def evaluate(self, network: Net, crops: np.ndarray, device: torch.device) -> Sequence[Point | PsnrPoint]:
        """Judge a network in evaluation mode by pictures, uint8 [n, side, side, 3], side a multiple of 64."""
