"""The integer networks (docs/format.md, section 4) in int64: every array is [rows, columns, channels], units 2^-7."""

from __future__ import annotations

import numpy as np


def shuffle(x: np.ndarray) -> np.ndarray:
    """Four channels to one at twice the resolution."""
    rows, columns, channels = x.shape
    x = x.reshape(rows, columns, channels // 4, 2, 2).transpose(0, 3, 1, 4, 2)
    return x.reshape(2 * rows, 2 * columns, channels // 4)


class Networks:
    """The networks of one weights file."""

    def __init__(self, tensors: dict[str, np.ndarray]) -> None:
        self.tensors = {name: t.astype(np.int64) for name, t in tensors.items() if name.startswith("prior.")}

    def of(self, name: str, part: str) -> np.ndarray:
        """A tensor."""
        return self.tensors[f"prior.{name}.{part}"]

    def clamp(self, x: np.ndarray, name: str) -> np.ndarray:
        """To the range of a layer's outputs, or of a source."""
        limit = self.of(name, "clamp")
        limit = limit.repeat(x.shape[-1] // len(limit))
        return np.clip(x, -limit, limit)

    def rounded(self, total: np.ndarray, name: str, slope: int, onto: np.ndarray | int = 0) -> np.ndarray:
        """clamp(onto + floor(s + 1/2)) of s = total * 2^-shift, times 2^-slope where it is negative."""
        shift = self.of(name, "shift") + np.where(total < 0, slope, 0)
        return self.clamp(onto + ((2 * total + (1 << shift)) >> (shift + 1)), name)

    def linear(self, x: np.ndarray, name: str, slope: int = 0, onto: np.ndarray | int = 0) -> np.ndarray:
        """A matrix at every position; the slope below 0 is 2^-slope."""
        return self.rounded(x @ self.of(name, "weight").T + self.of(name, "bias"), name, slope, onto)

    def depthwise(self, x: np.ndarray, name: str) -> np.ndarray:
        """A 3 x 3 window of each channel."""
        rows, columns, _ = x.shape
        wide = np.pad(x, ((1, 1), (1, 1), (0, 0)))
        taps = [wide[i : i + rows, j : j + columns] for i in range(3) for j in range(3)]
        total = sum(tap * weight for tap, weight in zip(taps, self.of(name, "weight"), strict=True))
        return self.rounded(total + self.of(name, "bias"), name, 0)

    def block(self, x: np.ndarray, name: str) -> np.ndarray:
        """A residual block."""
        inner = self.depthwise(self.linear(x, f"{name}.a", 7), f"{name}.d")
        x = self.linear(inner, f"{name}.b", onto=x)
        return self.linear(self.linear(x, f"{name}.u", 3), f"{name}.v", onto=x)

    def features(self, z: np.ndarray, rows: int, columns: int) -> np.ndarray:
        """Hyper-synthesis: features [rows, columns, E] from hyper-latents."""
        x = self.block(shuffle(self.linear(self.clamp(128 * z, "hyper"), "up32")), "block32")
        x = self.block(shuffle(self.linear(x, "up16")), "block16")
        return x[:rows, :columns]

    def first(self, features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Means and table rows of all latents, good for step 1."""
        return self.split(self.linear(self.linear(features, "first.inner", 3), "first.out"))

    def second(self, features: np.ndarray, latents: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Means and table rows of all latents, good for step 2, given those of step 1 and 0 elsewhere."""
        latents = self.clamp(latents >> self.of("latents", "shift"), "latents")
        x = self.linear(np.concatenate([features, latents], 2), "context.inner")
        return self.split(self.linear(self.block(x, "context.block"), "context.out"))

    def split(self, out: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Means, and the rows that raw scales choose."""
        means, scales = np.split(out, 2, axis=2)
        return means, np.searchsorted(self.tensors["prior.thresholds"], scales, side="right")
