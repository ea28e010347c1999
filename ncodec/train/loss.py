"""The rate-distortion loss over all qualities at once."""

from __future__ import annotations

from torch import Tensor

from ncodec.nets.architecture import LAMBDAS

PEAK = 255.0


def mse_per_sample(estimate: Tensor, clean: Tensor) -> Tensor:
    """float32 [B] of two [B, 3, H, W] in [0, 1] units."""
    return (estimate.float() - clean).square().mean((1, 2, 3))


def rate_distortion(rate_bpp: Tensor, mse: Tensor, quality: Tensor) -> Tensor:
    """Mean of ``log(bpp + lambda * 255^2 * mse)``: float32 scalar.

    The logarithm makes a percent of every sample's cost weigh the same, as it does in a BD-rate. In a plain mean the
    high qualities, whose distortion counts fifty times as much, drown the low ones, and smooth pictures with strong
    noise all others: their gradients' noise left nothing to learn from (docs/training.md).

    Args:
        rate_bpp: float32 [B].
        mse: float32 [B], mean squared errors in [0, 1] units.
        quality: int64 [B], 0-based.
    """
    lambdas = LAMBDAS.to(quality.device, rate_bpp.dtype)[quality]
    return (rate_bpp + lambdas * PEAK**2 * mse).log().mean()
