"""Noise of 8-bit pictures: its model, adding it, and estimating it from one noisy picture. Numpy only."""

from ncodec.noise.estimate import estimate_noise
from ncodec.noise.model import Noise, add_noise, parse_noise

__all__ = ["Noise", "add_noise", "estimate_noise", "parse_noise"]
