"""Which device and number format the networks run on."""

from __future__ import annotations

import re

import torch

from ncodec.errors import RequestError


def choose_device(name: str = "auto") -> torch.device:
    """`auto`, `cpu`, `cuda` or `cuda:n` -> device; `auto` takes CUDA where there is one. Raises RequestError."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if name == "cpu":
        return torch.device("cpu")
    match = re.fullmatch(r"cuda(?::(0|[1-9][0-9]?))?", name)
    if match is None:
        raise RequestError(f"device {name} is not known: say auto, cpu, cuda or cuda:n")
    if not torch.cuda.is_available():
        raise RequestError(f"device {name} is not there: this torch ({torch.__version__}) sees no CUDA device")
    if int(match.group(1) or 0) >= torch.cuda.device_count():
        raise RequestError(f"device {name} is not there: the number of CUDA devices is {torch.cuda.device_count()}")
    return torch.device(name)


def transform_dtype(device: torch.device) -> torch.dtype:
    """bfloat16 where the hardware computes in it, else float32: libraries emulate it elsewhere, at a loss of time."""
    if device.type == "cuda":
        return torch.bfloat16 if torch.cuda.get_device_capability(device) >= (8, 0) else torch.float32
    asked = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")  # not in every torch that we take
    has_native = any(getattr(torch.cpu, name, lambda: False)() for name in asked)
    return torch.bfloat16 if has_native else torch.float32


def own_precision(device: torch.device) -> torch.autocast:
    """For networks' work: a program around ours may have turned autocast on, and layers in float32 would get less."""
    return torch.autocast(device.type, enabled=False)
