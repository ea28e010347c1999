"""The rate-distortion loss over all qualities at once."""

from __future__ import annotations

from torch import Tensor

from ncodec.nets.architecture import LAMBDAS

PEAK = 255.0


def mse_per_sample(estimate: Tensor, clean: Tensor) -> Tensor:
    """float32 [B] of two [B, 3, H, W] in [0, 1] units."""
    return (estimate.float() - clean).square().mean((1, 2, 3))


def rate_distortion(rate_bpp: Tensor, mse: Tensor, quality: Tensor) -> Tensor:
    """Mean of ``w * (bpp + lambda * 255^2 * mse)`` with w ~ lambda^-1/2, of mean 1: float32 scalar.

    Without the weight the high qualities, whose distortion counts fifty times as much, drown the low ones.

    Args:
        rate_bpp: float32 [B].
        mse: float32 [B], mean squared errors in [0, 1] units.
        quality: int64 [B], 0-based.
    """
    lambdas = LAMBDAS.to(quality.device, rate_bpp.dtype)[quality]
    weight = lambdas**-0.5
    return (weight / weight.mean() * (rate_bpp + lambdas * PEAK**2 * mse)).mean()
