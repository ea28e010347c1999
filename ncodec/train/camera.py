"""Training noise of cameras: white in linear light, developed from a mosaic, or what noise reduction leaves of that.

All functions take pictures as float32 [B, 3, H, W] in [0, 1] and a `torch.Generator` of the same device.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

UNMIXED_SHARE = 0.25
"""Of the cameras: these hand their sensor's colours on as they are."""
FAINTEST = 2.5 / 255
"""The least standard deviation of reduced noise: clean pictures have fainter grain, too, and it is to be kept there."""
COARSEST = 0.7
"""The largest share of a camera's noise energy that has the coarse grain."""
RGB_TO_YCC = (0.299, 0.587, 0.114, -0.168736, -0.331264, 0.5, 0.5, -0.418688, -0.081312)


def linear_noise(clean: Tensor, sigma: Tensor, generator: torch.Generator) -> Tensor:
    """White read and shot noise in linear light (Cheng et al., ECCV 2022): after the gamma strongest in the darks.

    Args:
        clean: float32 [B, 3, H, W].
        sigma: float32 [B, 1, 1, 1], about the standard deviation of a mid-gray's noise, in [0, 1] units.
        generator: where the noise comes from.
    """
    gamma, read_share = draw_uniform(2, len(clean), clean, generator)
    # Read noise from 0.03 to 3 times the variance of a mid-gray's shot noise.
    sensor = _Sensor(1.8 + 0.6 * gamma, 0.03 * 100**read_share)
    linear = sensor.to_linear(clean)
    return sensor.to_picture(linear + draw_normal(clean, generator) * sensor.deviation(linear, sigma))


def camera_noise(clean: Tensor, sigma: Tensor, generator: torch.Generator) -> Tensor:
    """Noise of a sensor behind demosaicing, white balance, colour matrix, smoothing and a gamma.

    It is drawn at the photosites of a Bayer mosaic in linear light, with a variance that grows with the light there,
    interpolated bilinearly, balanced, mixed by a colour matrix, smoothed a little, and added to the picture before the
    gamma. The clean picture itself is not degraded: its detail stays what the network has to give back. Half of the
    pictures get a coarse share beside the fine one, of twice the grain: what noise reduction leaves of the lower
    frequencies.

    Args:
        clean: float32 [B, 3, H, W], H and W even.
        sigma: float32 [B, 1, 1, 1], about the standard deviation of a mid-gray's noise, in [0, 1] units.
        generator: where the noise comes from.
    """
    gamma, read_share, smooth, coarse = draw_uniform(4, len(clean), clean, generator)
    # Shot noise grows with the light; the read noise of a mid-gray is 5 ... 50 % of its shot noise's variance.
    sensor = _Sensor(1.8 + 0.6 * gamma, 0.05 + 0.45 * read_share)
    linear = sensor.to_linear(clean)
    deviation = sensor.deviation(linear, sigma)
    matrix = _colour_matrix(len(clean), clean, generator)
    noise = _developed(deviation, smooth, matrix, generator)
    coarse = (2 * coarse - 1).clamp(min=0) * COARSEST
    rows = coarse.flatten().nonzero().flatten()
    if len(rows):
        small = _developed(functional.avg_pool2d(deviation[rows], 2), smooth[rows], matrix[rows], generator)
        # Interpolation takes from noise, less where neighbours are alike: 0.9 of its deviation is left (measured).
        large = functional.interpolate(small, scale_factor=2.0, mode="bilinear", align_corners=False) / 0.9
        share = coarse[rows]
        noise[rows] = (1 - share).sqrt() * noise[rows] + share.sqrt() * large
    return sensor.to_picture(linear + noise)


def reduced_noise(clean: Tensor, sigma: Tensor, generator: torch.Generator) -> Tensor:
    """What a camera's own noise reduction leaves of `camera_noise`: soft grain, and blotches of colour.

    It blurs colour much more than brightness. Both widths, how much of the strength is left, and how much of that is
    colour are drawn for every picture. The edges that real ones spare are not: the picture itself is not degraded.

    Args:
        clean: float32 [B, 3, H, W].
        sigma: float32 [B, 1, 1, 1], standard deviation of a mid-gray's noise, in [0, 1] units, before the reduction.
        generator: where the noise comes from.
    """
    gamma, read_share, contrast, left, fine, blotch, colour = draw_uniform(7, len(clean), clean, generator)
    # A tone curve takes the noise out of the darks, where a bare gamma has most of it; so does little read noise.
    sensor = _Sensor(1.8 + 0.6 * gamma, 0.005 * 30**read_share, 1 + 0.8 * contrast)
    linear = sensor.to_linear(clean)
    deviation = sensor.deviation(linear, FAINTEST + 0.8 * left * sigma)
    matrix = _colour_matrix(len(clean), clean, generator)
    noise = _developed(deviation, torch.zeros_like(fine), matrix, generator)
    to_ycc = clean.new_tensor(RGB_TO_YCC).view(3, 3)
    ycc = torch.einsum("ij,bjhw->bihw", to_ycc, noise)
    soft = 1.5 * fine**1.5
    ycc = _blurred(ycc, torch.cat([soft, soft + 4 * blotch, soft + 4 * blotch], 1))
    ycc /= _rms(ycc, (2, 3))
    ycc[:, 1:] *= 0.15 + 0.65 * colour
    noise = torch.einsum("ij,bjhw->bihw", to_ycc.inverse(), ycc)
    return sensor.to_picture(linear + noise * (_rms(deviation, (1, 2, 3)) / _rms(noise, (1, 2, 3))))


def _rms(x: Tensor, over: tuple[int, ...]) -> Tensor:
    return x.square().mean(over, keepdim=True).sqrt().clamp(min=1e-9)


def _blurred(x: Tensor, width_px: Tensor) -> Tensor:
    """[B, C, H, W], planes convolved with Gaussians of standard deviations [B, C, 1, 1]; periodic, as noise may be."""
    height, width = x.shape[2:]
    down = torch.fft.fftfreq(height, device=x.device)[:, None]
    across = torch.fft.rfftfreq(width, device=x.device)
    passed = torch.exp(-2 * torch.pi**2 * width_px**2 * (down**2 + across**2))
    return torch.fft.irfft2(torch.fft.rfft2(x.contiguous()) * passed, s=(height, width))


def _developed(deviation: Tensor, smooth: Tensor, matrix: Tensor, generator: torch.Generator) -> Tensor:
    """Noise of this standard deviation [B, 3, H, W] at the photosites, demosaiced, mixed and smoothed."""
    noise = _demosaic(draw_normal(deviation, generator) * deviation, generator)
    return _smooth(torch.einsum("bij,bjhw->bihw", matrix, noise), smooth)


@dataclass(frozen=True)
class _Sensor:
    """Linear light and the noise there; all [B, 1, 1, 1]."""

    gamma: Tensor
    read_share: Tensor
    """Variance of the read noise as a share of a mid-gray's shot noise."""
    contrast: Tensor | float = 1.0
    """The slope at mid-gray of the tone curve after the gamma, which goes flat towards black and white."""

    def to_linear(self, picture: Tensor) -> Tensor:
        return _tone_curve(picture.clamp(0, 1), 1 / self.contrast) ** self.gamma

    def to_picture(self, linear: Tensor) -> Tensor:
        return _tone_curve(linear.clamp(1e-6, 1) ** (1 / self.gamma), self.contrast)

    def deviation(self, linear: Tensor, sigma: Tensor) -> Tensor:
        """Standard deviation for each sample that comes out as `sigma` at mid-gray, after the gamma."""
        middle = 0.5**self.gamma
        relative = ((linear + self.read_share * middle) / (middle * (1 + self.read_share))).sqrt()
        return relative * sigma * self.gamma * 0.5 ** (self.gamma - 1) / self.contrast


def _tone_curve(x: Tensor, contrast: Tensor | float) -> Tensor:
    """Logit times `contrast`; its inverse is the one of 1 / contrast."""
    if isinstance(contrast, float) and contrast == 1:
        return x
    light, dark = x**contrast, (1 - x) ** contrast
    return light / (light + dark)


def _demosaic(noise: Tensor, generator: torch.Generator) -> Tensor:
    """Keep what a Bayer mosaic sees of `noise`, interpolate bilinearly, and restore the mean variance.

    The mosaic begins with any of its four photosites, as cropped and mirrored pictures do: its phase against the
    network's own grid must be nothing to learn.
    """
    y, x = torch.randint(2, (2,), generator=generator, device=noise.device).tolist()
    mosaic = torch.zeros_like(noise)
    for channel, i, j in ((0, y, x), (1, y, 1 - x), (1, 1 - y, x), (2, 1 - y, 1 - x)):
        mosaic[:, channel, i::2, j::2] = noise[:, channel, i::2, j::2]
    sparse = noise.new_tensor([[1, 2, 1], [2, 4, 2], [1, 2, 1]]) / 4
    dense = noise.new_tensor([[0, 1, 0], [1, 4, 1], [0, 1, 0]]) / 4
    kernels = torch.stack([sparse, dense, sparse])
    # Mean over the four phases of the squared weights that fall on the mosaic: 9/16 for red and blue, 5/8 for green.
    kernels = kernels / noise.new_tensor([9 / 16, 5 / 8, 9 / 16]).sqrt()[:, None, None]
    return functional.conv2d(functional.pad(mosaic, (1, 1, 1, 1), mode="reflect"), kernels[:, None], groups=3)


def _colour_matrix(count: int, like: Tensor, generator: torch.Generator) -> Tensor:
    """float32 [count, 3, 3]: white balance, then a camera-to-sRGB matrix (rows sum to 1), mean gain taken out."""
    gains = 1 + draw_uniform(2, count, like, generator).view(2, count) * 1.2
    cross = draw_uniform(6, count, like, generator).view(6, count) * 0.5
    cross *= draw_uniform(1, count, like, generator).view(1, count) >= UNMIXED_SHARE
    matrix = like.new_zeros(count, 3, 3)
    for k, (i, j) in enumerate((i, j) for i in range(3) for j in range(3) if i != j):
        matrix[:, i, j] = -cross[k]
        matrix[:, i, i] += cross[k]
    matrix = matrix + torch.eye(3, device=like.device)
    balance = torch.stack([gains[0], torch.ones_like(gains[0]), gains[1]], 1)
    matrix = matrix * balance[:, None, :]
    return matrix / matrix.square().sum(2).mean(1).sqrt()[:, None, None]


def _smooth(noise: Tensor, strength: Tensor) -> Tensor:
    """Blend with a 3x3 binomial blur by `strength` [B, 1, 1, 1] in 0..1; demosaiced noise keeps its variance."""
    line = noise.new_tensor([1, 2, 1]) / 4
    kernel = (line[:, None] * line).expand(3, 1, 3, 3)
    blurred = functional.conv2d(functional.pad(noise, (1, 1, 1, 1), mode="reflect"), kernel, groups=3)
    # The kernel's energy, then how much more passes because neighbours are alike after demosaicing (fitted to 1 %).
    energy = strength**2 * (9 / 64 - 1 / 16) + (1 - strength * 3 / 4) ** 2
    alike = 1 + 0.36 * strength + 0.47 * strength**2
    return (noise + strength * (blurred - noise)) / (energy.sqrt() * alike)


def draw_normal(like: Tensor, generator: torch.Generator) -> Tensor:
    """Standard normal, channels last: several times faster here than filling a tensor of that layout in place."""
    batch, channels, height, width = like.shape
    normal = torch.randn((batch, height, width, channels), device=like.device, generator=generator)
    return normal.permute(0, 3, 1, 2)


def draw_uniform(rows: int, count: int, like: Tensor, generator: torch.Generator) -> Tensor:
    return torch.rand((rows, count, 1, 1, 1), device=like.device, generator=generator)
