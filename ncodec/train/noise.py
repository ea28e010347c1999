"""Training noise: white Gaussian, Poisson-Gaussian, counted photons, or a camera's; then rounded to 8 bits.

All functions take pictures as float32 [B, 3, H, W] in [0, 1] and a `torch.Generator` of the same device.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ncodec.train.camera import RGB_TO_YCC, camera_noise, draw_normal, draw_uniform, linear_noise, reduced_noise
from ncodec.train.recipe import NoiseRecipe

LEVELS = 255
CAMERA_FACTOR = 0.6
"""Correlated noise of the same strength is worse, and cameras' own processing leaves less of it."""


def noisy_and_sigma(clean: Tensor, recipe: NoiseRecipe, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Noisy pictures of the same shape, clipped and rounded to k/255 as files are; gray ones get gray noise.

    Beside them float32 [B], the standard deviation of white noise on a mid-gray, in [0, 1] units. That of camera noise
    is CAMERA_FACTOR times it: where a network is told sigma, `camera_share` is better 0.
    """
    uniform = draw_uniform(7, len(clean), clean, generator)
    noisy_too = uniform[0] >= recipe.clean_share
    sigma = recipe.sigma_max / LEVELS * uniform[1] ** recipe.sigma_power * noisy_too
    poisson = uniform[2] * (uniform[3] < recipe.poisson_share)
    photons = (uniform[3] < recipe.poisson_share) & (uniform[6] < recipe.photon_share) & noisy_too
    gray = ((clean[:, 1] == clean[:, 0]) & (clean[:, 2] == clean[:, 0])).flatten(1).all(1)[:, None, None, None]
    noise = draw_normal(clean, generator)
    noise = torch.where(gray, noise[:, :1], noise)
    # Variance sigma^2 * (1 - p + 2 p x): with p = 1 purely Poissonian, equal to sigma^2 at mid-gray.
    variance = torch.addcmul(sigma**2 * (1 - poisson), clean, 2 * sigma**2 * poisson)
    out = torch.addcmul(clean, variance.sqrt_(), noise)
    if len(rows := photons.flatten().nonzero().flatten()):
        out[rows] = _photons(clean[rows], noise[rows], sigma[rows], gray[rows], uniform[2, rows], generator)
    camera = ((uniform[4] < recipe.camera_share) & noisy_too).flatten().nonzero().flatten()
    if len(camera):
        taken = _camera_pictures(clean[camera], sigma[camera] * CAMERA_FACTOR, recipe, generator)
        jpeg = (uniform[5, camera] < recipe.jpeg_share).flatten().nonzero().flatten()
        if len(jpeg):
            taken[jpeg] = jpeg_like(taken[jpeg], generator)
        out[camera] = torch.where(gray[camera], _one_plane(taken, generator), taken)
    return to_8_bits(out), sigma.flatten()


def _photons(
    clean: Tensor, noise: Tensor, sigma: Tensor, gray: Tensor, gaussian: Tensor, generator: torch.Generator
) -> Tensor:
    """Counted light: at few photons its noise is not normal, but single bright pixels. 0 ... 30 % of it is Gaussian."""
    gaussian = 0.3 * gaussian
    gain = (2 * sigma**2 * (1 - gaussian)).clamp(min=1e-6)
    counts = torch.poisson(clean / gain, generator=generator)
    return gain * torch.where(gray, counts[:, :1], counts) + sigma * gaussian.sqrt() * noise


def to_8_bits(x: Tensor) -> Tensor:
    return x.clamp(0, 1).mul_(LEVELS).round_().div_(LEVELS)


def _camera_pictures(clean: Tensor, sigma: Tensor, recipe: NoiseRecipe, generator: torch.Generator) -> Tensor:
    """`clean` [B, 3, H, W] with one of the three kinds of camera noise each."""
    kind = draw_uniform(1, len(clean), clean, generator)[0]
    is_linear = kind < recipe.linear_share
    is_reduced = ~is_linear & (kind < recipe.linear_share + recipe.reduced_share)
    taken = torch.empty_like(clean)
    kinds = ((is_linear, linear_noise), (is_reduced, reduced_noise), (~(is_linear | is_reduced), camera_noise))
    for chosen, add in kinds:
        if len(rows := chosen.flatten().nonzero().flatten()):
            taken[rows] = add(clean[rows], sigma[rows], generator)
    return taken


def _one_plane(taken: Tensor, generator: torch.Generator) -> Tensor:
    """[B, 1, H, W]: a channel of [B, 3, H, W] or their mean, as colour cameras behind microscopes are used."""
    planes = torch.cat([taken, taken.mean(1, keepdim=True)], 1)
    chosen = int(torch.randint(4, (1,), generator=generator, device=taken.device))
    return planes[:, chosen : chosen + 1]


def jpeg_like(x: Tensor, generator: torch.Generator) -> Tensor:
    """Quantise 8x8 DCT coefficients of luma and chroma as JPEG at qualities 60 ... 98 does, the block grid anywhere."""
    table = x.new_tensor(_JPEG_LUMA).view(8, 8)
    chroma = x.new_tensor(_JPEG_CHROMA).view(8, 8)
    quality = 60 + 38 * draw_uniform(1, len(x), x, generator)[0]
    scale = (200 - 2 * quality)[..., None, None] / 100
    steps = (torch.stack([table, chroma, chroma])[:, None, None] * scale).clamp(min=1) / LEVELS
    shift = torch.randint(8, (2,), generator=generator, device=x.device).tolist()
    to_ycc = x.new_tensor(RGB_TO_YCC).view(3, 3)
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
