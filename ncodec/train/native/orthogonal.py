"""Muon's Newton-Schulz steps as compiled code: a matrix goes through all of them while it lies in the cache."""

from __future__ import annotations

import ctypes
import functools

import torch
from torch import Tensor

from ncodec.train.native.library import UNIT, NativeUnavailable, context, load_library, pointer


def orthogonalise_native(matrices: Tensor, steps: int, coefficients: tuple[float, float, float]) -> Tensor | None:
    """As `ncodec.train.muon.orthogonalise`: float32 [n, rows, columns] -> the same shape; None if not possible here."""
    _, rows, columns = matrices.shape
    fits = rows % UNIT == 0 and columns % UNIT == 0
    if not fits or matrices.device.type != "cpu" or matrices.dtype != torch.float32 or not _available():
        return None
    result = matrices.clone(memory_format=torch.contiguous_format)
    load_library().ncodec_orthogonalise(
        context(), *result.shape, steps, (ctypes.c_float * 3)(*coefficients), pointer(result)
    )
    return result


@functools.cache
def _available() -> bool:
    try:
        load_library()
    except NativeUnavailable:
        return False
    return True
