"""Training noise: white Gaussian, Poisson-Gaussian, and correlated as cameras make it; then rounded to 8 bits.

All functions take pictures as float32 [B, 3, H, W] in [0, 1] and a `torch.Generator` of the same device.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from ncodec.train.recipe import NoiseRecipe

LEVELS = 255
COARSEST = 0.7
"""The largest share of a camera's noise energy that has the coarse grain."""
CAMERA_FACTOR = 0.6
"""Correlated noise of the same strength is worse, and cameras' own processing leaves less of it."""


def noisy_and_sigma(clean: Tensor, recipe: NoiseRecipe, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Noisy pictures of the same shape, clipped and rounded to k/255 as files are; gray ones get gray noise.

    Beside them float32 [B], the standard deviation of white noise on a mid-gray, in [0, 1] units. That of camera noise
    is CAMERA_FACTOR times it: where a network is told sigma, `camera_share` is better 0.
    """
    uniform = _uniform(6, len(clean), clean, generator)
    noisy_too = uniform[0] >= recipe.clean_share
    sigma = recipe.sigma_max / LEVELS * uniform[1] ** recipe.sigma_power * noisy_too
    poisson = uniform[2] * (uniform[3] < recipe.poisson_share)
    gray = ((clean[:, 1] == clean[:, 0]) & (clean[:, 2] == clean[:, 0])).flatten(1).all(1)[:, None, None, None]
    noise = _normal(clean, generator)
    noise = torch.where(gray, noise[:, :1], noise)
    # Variance sigma^2 * (1 - p + 2 p x): with p = 1 purely Poissonian, equal to sigma^2 at mid-gray.
    variance = torch.addcmul(sigma**2 * (1 - poisson), clean, 2 * sigma**2 * poisson)
    out = torch.addcmul(clean, variance.sqrt_(), noise)
    camera = ((uniform[4] < recipe.camera_share) & noisy_too).flatten().nonzero().flatten()
    if len(camera):
        taken = _camera_pictures(clean[camera], sigma[camera] * CAMERA_FACTOR, recipe.linear_share, generator)
        jpeg = (uniform[5, camera] < recipe.jpeg_share).flatten().nonzero().flatten()
        if len(jpeg):
            taken[jpeg] = jpeg_like(taken[jpeg], generator)
        out[camera] = torch.where(gray[camera], taken[:, 1:2], taken)
    return to_8_bits(out), sigma.flatten()


def to_8_bits(x: Tensor) -> Tensor:
    return x.clamp(0, 1).mul_(LEVELS).round_().div_(LEVELS)


def _camera_pictures(clean: Tensor, sigma: Tensor, linear_share: float, generator: torch.Generator) -> Tensor:
    """`clean` [B, 3, H, W] with one of the two kinds of camera noise each: white in linear light, or `camera_noise`."""
    white = _uniform(1, len(clean), clean, generator)[0] < linear_share
    taken = torch.empty_like(clean)
    for chosen, add in ((white, linear_noise), (~white, camera_noise)):
        if len(rows := chosen.flatten().nonzero().flatten()):
            taken[rows] = add(clean[rows], sigma[rows], generator)
    return taken


def linear_noise(clean: Tensor, sigma: Tensor, generator: torch.Generator) -> Tensor:
    """White read and shot noise in linear light (Cheng et al., ECCV 2022): after the gamma strongest in the darks.

    Args:
        clean: float32 [B, 3, H, W].
        sigma: float32 [B, 1, 1, 1], about the standard deviation of a mid-gray's noise, in [0, 1] units.
        generator: where the noise comes from.
    """
    gamma, read_share = _uniform(2, len(clean), clean, generator)
    # Read noise from 0.03 to 3 times the variance of a mid-gray's shot noise.
    sensor = _Sensor(1.8 + 0.6 * gamma, 0.03 * 100**read_share)
    linear = sensor.to_linear(clean)
    return sensor.to_picture(linear + _normal(clean, generator) * sensor.deviation(linear, sigma))


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
    gamma, read_share, smooth, coarse = _uniform(4, len(clean), clean, generator)
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


def _developed(deviation: Tensor, smooth: Tensor, matrix: Tensor, generator: torch.Generator) -> Tensor:
    """Noise of this standard deviation [B, 3, H, W] at the photosites, demosaiced, mixed and smoothed."""
    noise = _demosaic(_normal(deviation, generator) * deviation, generator)
    return _smooth(torch.einsum("bij,bjhw->bihw", matrix, noise), smooth)


@dataclass(frozen=True)
class _Sensor:
    """Linear light and the noise there; all [B, 1, 1, 1]."""

    gamma: Tensor
    read_share: Tensor
    """Variance of the read noise as a share of a mid-gray's shot noise."""

    def to_linear(self, picture: Tensor) -> Tensor:
        return picture.clamp(0, 1) ** self.gamma

    def to_picture(self, linear: Tensor) -> Tensor:
        return linear.clamp(1e-6, 1) ** (1 / self.gamma)

    def deviation(self, linear: Tensor, sigma: Tensor) -> Tensor:
        """Standard deviation for each sample that comes out as `sigma` at mid-gray, after the gamma."""
        middle = 0.5**self.gamma
        relative = ((linear + self.read_share * middle) / (middle * (1 + self.read_share))).sqrt()
        return relative * sigma * self.gamma * 0.5 ** (self.gamma - 1)


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
    gains = 1 + _uniform(2, count, like, generator).view(2, count) * 1.2
    cross = _uniform(6, count, like, generator).view(6, count) * 0.5
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


def jpeg_like(x: Tensor, generator: torch.Generator) -> Tensor:
    """Quantise 8x8 DCT coefficients of luma and chroma as JPEG at qualities 60 ... 98 does, the block grid anywhere."""
    table = x.new_tensor(_JPEG_LUMA).view(8, 8)
    chroma = x.new_tensor(_JPEG_CHROMA).view(8, 8)
    quality = 60 + 38 * _uniform(1, len(x), x, generator)[0]
    scale = (200 - 2 * quality)[..., None, None] / 100
    steps = (torch.stack([table, chroma, chroma])[:, None, None] * scale).clamp(min=1) / LEVELS
    shift = torch.randint(8, (2,), generator=generator, device=x.device).tolist()
    to_ycc = x.new_tensor(_RGB_TO_YCC).view(3, 3)
    dct = _dct_matrix(x)
    batch, _, height, width = x.shape
    planes = torch.einsum("ij,bjhw->bihw", to_ycc, torch.roll(x - 0.5, shift, (2, 3)))
    blocks = planes.reshape(batch, 3, height // 8, 8, width // 8, 8).transpose(3, 4)
    coefficients = dct @ blocks @ dct.T
    coefficients = (coefficients / steps).round() * steps
    planes = (dct.T @ coefficients @ dct).transpose(3, 4).reshape(batch, 3, height, width)
    back = torch.einsum("ij,bjhw->bihw", torch.linalg.inv(to_ycc), planes)
    return torch.roll(back, [-s for s in shift], (2, 3)) + 0.5


def _dct_matrix(like: Tensor) -> Tensor:
    """float32 [8, 8]: orthonormal DCT-II, frequencies in rows."""
    k = torch.arange(8, device=like.device, dtype=like.dtype)
    matrix = torch.cos(torch.pi / 8 * (k + 0.5) * k[:, None]) / 2
    matrix[0] *= 0.5**0.5
    return matrix


def _normal(like: Tensor, generator: torch.Generator) -> Tensor:
    """Standard normal, channels last: several times faster here than filling a tensor of that layout in place."""
    batch, channels, height, width = like.shape
    normal = torch.randn((batch, height, width, channels), device=like.device, generator=generator)
    return normal.permute(0, 3, 1, 2)


def _uniform(rows: int, count: int, like: Tensor, generator: torch.Generator) -> Tensor:
    return torch.rand((rows, count, 1, 1, 1), device=like.device, generator=generator)


_RGB_TO_YCC = (0.299, 0.587, 0.114, -0.168736, -0.331264, 0.5, 0.5, -0.418688, -0.081312)
_JPEG_LUMA = (
    *(16, 11, 10, 16, 24, 40, 51, 61, 12, 12, 14, 19, 26, 58, 60, 55, 14, 13, 16, 24, 40, 57, 69, 56),
    *(14, 17, 22, 29, 51, 87, 80, 62, 18, 22, 37, 56, 68, 109, 103, 77, 24, 35, 55, 64, 81, 104, 113, 92),
    *(49, 64, 78, 87, 103, 121, 120, 101, 72, 92, 95, 98, 112, 100, 103, 99),
)
"""ITU-T T.81, table K.1."""
_JPEG_CHROMA = (
    *(17, 18, 24, 47, 99, 99, 99, 99, 18, 21, 26, 66, 99, 99, 99, 99, 24, 26, 56, 99, 99, 99, 99, 99),
    *(47, 66, 99, 99, 99, 99, 99, 99, *(99,) * 32),
)
"""ITU-T T.81, table K.2."""
