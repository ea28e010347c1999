"""The noise model, how it is written on a command line, and adding it to a picture.

Foi, Trimeche, Katkovnik, Egiazarian: Practical Poissonian-Gaussian noise modeling and fitting for single-image
raw-data, IEEE Trans. Image Processing 17(10), 2008.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import overload

import numpy as np

from ncodec.errors import ImageError, RequestError

PEAK = 255
"""The level of intensity 1."""

_STRIP_VALUES = 1 << 20  # add_noise works on about so many values at once: 4 MB of float32
_SPELLINGS = "gaussian:SIGMA, poisson-gaussian:A,B or none"


@dataclass(frozen=True, slots=True)
class Noise:
    """Signal-dependent noise z = y + sqrt(a*y + b) * n, with y in [0, 1] and n standard normal (Foi et al. 2008).

    Attributes:
        poisson_a: variance per intensity, a, 0 ... 1.
        gaussian_b: variance at intensity 0, b, 0 ... 1.

    Raises:
        RequestError: a parameter is not a number from 0 to 1.
    """

    poisson_a: float
    gaussian_b: float

    def __post_init__(self) -> None:
        if not (0 <= self.poisson_a <= 1 and 0 <= self.gaussian_b <= 1):  # NaN fails too
            raise RequestError(f"noise parameters must be from 0 to 1, got a={self.poisson_a} and b={self.gaussian_b}")

    @classmethod
    def gaussian(cls, sigma_8bit: float) -> Noise:
        """White Gaussian noise; `sigma_8bit` is its standard deviation in 8-bit levels, 0 ... 255."""
        return cls(0.0, (sigma_8bit / PEAK) * (sigma_8bit / PEAK))  # ** 2 raises on overflow, * does not

    @overload
    def sigma_at(self, y: float) -> float: ...
    @overload
    def sigma_at(self, y: np.ndarray) -> np.ndarray: ...
    def sigma_at(self, y: float | np.ndarray) -> float | np.ndarray:
        """Standard deviation at the intensity `y` in [0, 1] (a number, or a float array), in the same units."""
        return (self.poisson_a * y + self.gaussian_b) ** 0.5

    @property
    def sigma_8bit(self) -> float:
        """Standard deviation at mid gray (y = 1/2), in 8-bit levels."""
        return PEAK * self.sigma_at(0.5)


def parse_noise(text: str) -> Noise:
    """Read "gaussian:25" (8-bit levels), "poisson-gaussian:0.04,0.0016" (a, b) or "none".

    Raises:
        RequestError: the text is none of these, or a number is out of range.
    """
    kind, _, numbers = text.strip().partition(":")
    try:
        values = [float(number) for number in numbers.split(",")] if numbers else []
    except ValueError:
        values = [math.nan]
    match kind, values:
        case "none", [] if ":" not in text:
            return Noise(0.0, 0.0)
        case "gaussian", [sigma] if 0 <= sigma <= PEAK:
            return Noise.gaussian(sigma)
        case "gaussian", [_]:
            raise RequestError(f"the sigma of gaussian noise must be a number from 0 to {PEAK}, got {numbers!r}")
        case "poisson-gaussian", [a, b] if 0 <= a <= 1 and 0 <= b <= 1:
            return Noise(a, b)
        case "poisson-gaussian", [_, _]:
            raise RequestError(f"A and B of poisson-gaussian noise must be numbers from 0 to 1, got {numbers!r}")
    raise RequestError(f"noise must be {_SPELLINGS}, got {text!r}")


def add_noise(pixels: np.ndarray, noise: Noise, seed: int) -> np.ndarray:
    """Add noise to a picture; every sample of every channel gets its own. Rounded and clipped to 8 bits.

    The normals are numpy's float32 ones from PCG64, one per sample in C order; the picture's memory layout and the
    strips worked in do not change them.

    Args:
        pixels: uint8 [height, width, channels], channels 1 or 3; not changed.
        noise: its parameters.
        seed: 0 or above.

    Returns:
        uint8, of the same shape.

    Raises:
        TypeError: `pixels` is not an array.
        ImageError: its type or shape is another.
        RequestError: the seed is below 0.
    """
    check_pixels(pixels)
    if seed < 0:
        raise RequestError(f"the seed of the noise must be 0 or above, got {seed}")
    sigma_of_level = (PEAK * noise.sigma_at(np.arange(PEAK + 1) / PEAK)).astype(np.float32)
    generator = np.random.Generator(np.random.PCG64(seed))
    height, width, channels = pixels.shape
    noisy = np.empty(pixels.shape, np.uint8)
    step = max(1, _STRIP_VALUES // (width * channels))
    for top in range(0, height, step):
        clean = pixels[top : top + step]
        values = generator.standard_normal(clean.shape, dtype=np.float32)
        values *= sigma_of_level[clean]
        values += clean
        np.rint(values, out=values)
        noisy[top : top + step] = values.clip(0, PEAK, out=values)
    return noisy


def check_pixels(pixels: np.ndarray) -> None:
    """Raise what `add_noise` raises for `pixels` that are no picture."""
    if not isinstance(pixels, np.ndarray):
        raise TypeError(f"pixels must be a numpy array, got {type(pixels).__name__}")
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] not in (1, 3):
        raise ImageError(f"pixels must be uint8 [height, width, 1 or 3], got {pixels.dtype} {list(pixels.shape)}")
    if pixels.size == 0:
        raise ImageError(f"the picture is empty ({pixels.shape[1]}x{pixels.shape[0]} pixels)")
