"""Weights of one network as the start of another that is larger, so that nothing changes yet.

New blocks are the identity; a convolution with one input more (sigma, for a blind DnCNN) starts deaf to it.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from torch import Tensor
from torch.nn import functional as F

from ncodec.errors import RequestError
from ncodec.nets.architecture import Architecture
from ncodec.train.sizes import codec_sizes

if TYPE_CHECKING:
    from ncodec.train.checkpoint import Start

STAGES = {
    "analysis8": "analysis.stage8",
    "analysis16": "analysis.stage16",
    "synthesis16": "synthesis.stage16",
    "synthesis8": "synthesis.stage8",
    "denoising8": "synthesis.denoising8",
}
"""Depth in `Architecture` -> name of the stage in `Network`."""

OPTIONAL_STAGES = ("denoising8",)
"""Those that a codec can do without."""


def without_stages(start: Start, names: Sequence[str]) -> Start:
    """Weights of a codec with the blocks of these stages left out, for ablations. ModelError for other networks."""
    if not names:
        return start
    smaller = dataclasses.replace(codec_sizes(start.architecture), **dict.fromkeys(names, 0))
    gone = tuple(STAGES[name] + "." for name in names)
    states = [{k: v for k, v in state.items() if not k.startswith(gone)} for state in (start.network, start.ema)]
    return dataclasses.replace(start, architecture=smaller, network=states[0], ema=states[1])


def check_growth(old: Architecture, new: Architecture) -> None:
    """RequestError unless `new` is `old` with as many blocks or more in every stage."""
    for field in dataclasses.fields(Architecture):
        before, after = getattr(old, field.name), getattr(new, field.name)
        if after < before or (after > before and field.name not in STAGES):
            raise RequestError(f"a network with {field.name} = {before} cannot start one with {field.name} = {after}")


def grown_state(fresh: dict[str, Tensor], trained: dict[str, Tensor]) -> dict[str, Tensor]:
    """Every tensor of `trained`, and from `fresh` the blocks at the ends of its stages that `trained` lacks.

    A convolution of `fresh` with one input channel more than in `trained` gets zeros for it.

    Args:
        fresh: state dict of a newly made network of the new architecture (its stages are the identity).
        trained: state dict of the smaller network; tensors that are never trained (compressai's tables) may lack.

    Raises:
        RequestError: a tensor is missing that is not a new block's, or does not fit.
    """
    trained = {name: _widened(value, fresh[name]) if name in fresh else value for name, value in trained.items()}
    block = re.compile("|".join(re.escape(name) + r"\.\d+\." for name in STAGES.values()))
    for name, value in fresh.items():
        if name not in trained and value.is_floating_point() and not block.match(name):
            raise RequestError(f"the weights to start from have no {name}")
        if name in trained and value.is_floating_point() and trained[name].shape != value.shape:
            raise RequestError(f"{name} has shape {list(trained[name].shape)} in the weights to start from")
    return {name: trained.get(name, value) if value.is_floating_point() else value for name, value in fresh.items()}


def _widened(value: Tensor, like: Tensor) -> Tensor:
    """`value` with an input channel of zeros where `like` is a convolution with one more; else as it is."""
    if value.dim() != 4 or like.shape[1:2] != (value.shape[1] + 1,):
        return value
    return F.pad(value, (0, 0, 0, 0, 0, 1))
